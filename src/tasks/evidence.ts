/** Longer quotes are looked for word for word only. In UTF-16 units. */
const maxLooseUnits = 300;
const outerMarks = /^[“”"「」『』‘’'…\s]+|[“”"「」『』‘’'…\s]+$/g;

/** Where a quote stands in a text, in UTF-16 units. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/**
 * Where a text has what a model says to quote of it: word for word, else without the marks around it, else with white space
 * in other places. Undefined where it stands nowhere.
 */
export function placeOf(text: string, quote: string): Place | undefined {
  const said = quote.trim();
  const bare = said.replace(outerMarks, "");
  for (const each of [said, bare]) {
    const start = each === "" ? -1 : text.indexOf(each);
    if (start !== -1) return { start, end: start + each.length };
  }
  if (bare === "" || bare.length > maxLooseUnits) return undefined;
  const characters = [...bare.replace(/\s+/g, "")].map((character) =>
    character.replace(/[\^$.*+?()[\]{}|/\\]/, "\\$&"),
  );
  const found = new RegExp(characters.join("\\s*"), "u").exec(text);
  return found ? { start: found.index, end: found.index + found[0].length } : undefined;
}

/** The sentence of a text in which a name is said first; undefined where it is not. */
export function firstMention(text: string, name: string): string | undefined {
  const at = name === "" ? -1 : text.indexOf(name);
  if (at === -1) return undefined;
  const start = Math.max(...sentenceMarks.map((mark) => text.lastIndexOf(mark, at - 1)), at - maxSentenceUnits - 1) + 1;
  const ends = sentenceMarks.map((mark) => text.indexOf(mark, at + name.length)).filter((end) => end !== -1);
  const end = Math.min(...ends.map((each) => each + 1), at + name.length + maxSentenceUnits, text.length);
  return text
    .slice(at === 0 ? 0 : start, end)
    .replace(halfCharacters, "")
    .trim();
}

const halfCharacters = /^[\udc00-\udfff]|[\ud800-\udbff]$/g;
const sentenceMarks = ["。", "！", "？", "!", "?", "…", "\n"];
/** Before a name, and behind it. */
const maxSentenceUnits = 120;
