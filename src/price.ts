import type { Usage } from "./generation.ts";
import { matchesPattern } from "./model-pattern.ts";
import { isTokenCount } from "./usage.ts";

/*
 * Money is counted in whole numbers: a price per million tokens has six decimals at most, so a token costs a whole number of
 * millionths of a millionth, and sums of those are exact however many they are.
 */

/** What the tokens of models cost whose name matches a pattern. */
export interface ModelPrice {
  readonly pattern: string;
  /** Three capital letters (ISO 4217). */
  readonly currency: string;
  /** Of a million tokens, in millionths of the currency. */
  readonly input: number;
  readonly output: number;
  /** Of prompt tokens that the provider had in its cache; as `input` where absent. */
  readonly cachedInput?: number;
}

/** An amount of money: `micros` millionths of the currency and, beside them, `picos` millionths of such a millionth (less than a million). */
export interface Amount {
  readonly currency: string;
  readonly micros: number;
  readonly picos: number;
}

const million = 1_000_000n;

/** The price of a model: by its own name, else by the pattern that says most of it. Undefined where no price is known. */
export function priceFor(model: string, prices: readonly ModelPrice[]): ModelPrice | undefined {
  if (model === "") return undefined;
  const fitting = prices.filter(({ pattern }) => matchesPattern(model, pattern));
  return fitting.find(({ pattern }) => pattern === model) ?? fitting.toSorted((a, b) => said(b) - said(a))[0];
}

const said = ({ pattern }: ModelPrice) => pattern.replaceAll("*", "").length;

/** What some usage costs; undefined where that is not known, as where a total is not split and its parts have two prices. */
export function costOf(usage: Usage, { currency, input, output, cachedInput = input }: ModelPrice): Amount | undefined {
  const { promptTokens, completionTokens } = usage.split ?? { promptTokens: usage.totalTokens, completionTokens: 0 };
  if (!usage.split && (input !== output || cachedInput !== input)) return undefined;
  const cached = Math.min(cachedTokensIn(usage) ?? 0, promptTokens);
  const picos =
    BigInt(promptTokens - cached) * BigInt(input) +
    BigInt(cached) * BigInt(cachedInput) +
    BigInt(completionTokens) * BigInt(output);
  return { currency, micros: Number(picos / million), picos: Number(picos % million) };
}

/** An amount as a decimal, exactly, without zeros at its end. */
export function amountText({ micros, picos }: Omit<Amount, "currency">): string {
  const digits = (BigInt(micros) * million + BigInt(picos)).toString().padStart(13, "0");
  const fraction = digits.slice(-12).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, -12) : `${digits.slice(0, -12)}.${fraction}`;
}

/** An amount in its currency, as near as a double comes to it. */
export function unitsOf(amount: Omit<Amount, "currency"> | undefined): number | undefined {
  return amount && (amount.micros + amount.picos / 1e6) / 1e6;
}

/** How many of the prompt's tokens the provider had in its cache; undefined where it does not say. */
export function cachedTokensIn({ details }: Usage): number | undefined {
  return countIn(details?.prompt_tokens_details, "cached_tokens");
}

/** How many of the answer's tokens were thoughts; undefined where the provider does not say. */
export function reasoningTokensIn({ details }: Usage): number | undefined {
  return countIn(details?.completion_tokens_details, "reasoning_tokens");
}

function countIn(counts: unknown, name: string): number | undefined {
  if (typeof counts !== "object" || counts === null || !Object.hasOwn(counts, name)) return undefined;
  const count: unknown = Reflect.get(counts, name);
  return isTokenCount(count) ? count : undefined;
}
