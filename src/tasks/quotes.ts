import type { Span } from "./positions.ts";

/** What a model has quoted, and the words around it, which say which of several places it means. */
interface Quote {
  readonly text: string;
  readonly context: string;
  /** What is said of it: of one place the same is said once. */
  readonly about: string;
}

/** Finds places of a text by what is quoted of it, each call after the earlier ones. Undefined where the quote does not stand there; `taken` where all that was said already. */
export type FindQuote = (quote: Quote) => Span | "taken" | undefined;

/**
 * Finds quotes in a text, letter by letter, but for white space around them and for carriage returns, which models leave out.
 * Of several places it is the one that the context shows, else the first of which nothing was said yet.
 */
export function quotesIn(text: string): FindQuote {
  const { plain, unitOf } = withoutReturns(text);
  const said = new Map<number, Set<string>>();
  const isSaid = (place: number, about?: string) => {
    const all = said.get(place);
    return all !== undefined && (about === undefined || all.has(about));
  };
  return ({ text: quoted, context, about }) => {
    const quote = plainQuote(quoted);
    if (quote === undefined) return undefined;
    const key = (place: number) => place * (plain.length + 1) + quote.length;
    /** The first of which nothing was said, else the first of which this was not said. */
    const firstOf = (places: Iterable<number>): number | "taken" | undefined => {
      let unsaid: number | "taken" | undefined;
      for (const place of places) {
        if (!isSaid(key(place))) return place;
        unsaid ??= "taken";
        if (unsaid === "taken" && !isSaid(key(place), about)) unsaid = place;
      }
      return unsaid;
    };
    const place = firstOf(placesIn(plain, quote, plainQuote(context))) ?? firstOf(placesOf(plain, quote));
    if (place === undefined || place === "taken") return place;
    said.set(key(place), (said.get(key(place)) ?? new Set()).add(about));
    return { start: unitOf(place), end: unitOf(place + quote.length - 1) + 1 };
  };
}

/** Nobody means a place by more, in UTF-16 units. */
const maxQuoteUnits = 1_000;

/** Undefined where it quotes nothing, or half of a character, which stands everywhere in the midst of whole ones. */
function plainQuote(quote: string): string | undefined {
  if (quote.length > maxQuoteUnits) return undefined;
  const plain = quote.replaceAll("\r\n", "\n").trim();
  return plain !== "" && plain.isWellFormed() ? plain : undefined;
}

function* placesOf(text: string, quote: string): Generator<number, void> {
  for (let at = text.indexOf(quote); at !== -1; at = text.indexOf(quote, at + quote.length)) yield at;
}

/** Where a quote stands within its context. */
function* placesIn(text: string, quote: string, context: string | undefined): Generator<number, void> {
  if (context === undefined || context === quote || !context.includes(quote)) return;
  for (const at of placesOf(text, context)) for (const offset of placesOf(context, quote)) yield at + offset;
}

/** A text without the carriage returns before line feeds, and where its units stand in the text as it is. */
function withoutReturns(text: string): { readonly plain: string; readonly unitOf: (unit: number) => number } {
  if (!text.includes("\r\n")) return { plain: text, unitOf: (unit) => unit };
  const units: number[] = [];
  for (let unit = 0; unit < text.length; unit++) {
    if (text.charCodeAt(unit) !== 0x0d || text.charCodeAt(unit + 1) !== 0x0a) units.push(unit);
  }
  return { plain: text.replaceAll("\r\n", "\n"), unitOf: (unit) => units[unit] ?? text.length };
}
