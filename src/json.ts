import type { JsonObject, JsonValue } from "./generation.ts";

/** Deeper JSON than any real request or answer, and far less than what overflows a stack. */
const maxDepth = 100;

/** More members than any object honestly has: V8 keeps so many in a table, and each copy of that costs as much as parsing it. */
const maxMembers = 2048;

/** How many commas a text has had on each level; of lists, which may have more, and outside of all far below zero. */
const commas = new Int32Array(maxDepth + 1).fill(-(2 ** 31));

/**
 * What a text weighs stands for what its values cost in memory and time: ten for each object, list and string (names too),
 * one for each comma, so that a list of numbers, of which there may honestly be many, weighs little.
 */
const [dear, cheap] = [10, 1];

/** Half a million objects and strings, or five million numbers: some 40 MB. The probabilities of 4,000 tokens weigh so much. */
const maxAnswerWeight = 5_000_000;

/** Longer numbers can be too large for a double without an exponent: the largest has 309 digits. */
const maxPlainDigits = 308;

/** In what way it is more than is taken: it completes "The body ...", with a number in the place of `{most}`. */
type Excess =
  | "has a number that is too large"
  | "has too many values in it"
  | "is nested more than {most} levels deep"
  | "has more than {most} members in an object"
  | "has more than {most} integers that no double holds";

/** JSON that is well-formed, but more than is taken (RFC 8259, section 9). */
export class JsonBeyondLimits extends SyntaxError {
  override readonly name = "JsonBeyondLimits";
  readonly excess: Excess;
  readonly most: number;

  constructor(excess: Excess, most: number) {
    super(excess.replace("{most}", String(most)));
    this.excess = excess;
    this.most = most;
  }
}

/**
 * Parses JSON text (RFC 8259). Throws a `SyntaxError` for anything else, of which those are `JsonBeyondLimits` that are
 * nested deeper than 100 levels, weigh more than `maxWeight`, have an object of more than 2,048 members, or a number that no
 * double can hold.
 */
export function parseJson(text: string, maxWeight = maxAnswerWeight): JsonValue {
  const mayOverflow = inspect(text, maxWeight);
  const value: JsonValue = JSON.parse(text);
  if (mayOverflow && !isAllFinite(value))
    throw new JsonBeyondLimits("has a number that is too large", Number.MAX_VALUE);
  return value;
}

/**
 * Measures depth, weight and members on the text, so that nothing is built from a hostile one. Strings are skipped over.
 * Says whether a number may be too large for a double.
 */
function inspect(text: string, maxWeight: number): boolean {
  let depth = 0;
  let weight = 0;
  let mayOverflow = false;
  let met = 0;
  /** Where the value began that is no string. */
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: // "
        index = endOfString(text, index);
        weight += dear;
        start = index;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) throw new JsonBeyondLimits("is nested more than {most} levels deep", maxDepth);
        commas[depth] = text.charCodeAt(index) === 0x5b ? -(2 ** 31) : 0;
        weight += dear;
        start = index;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        mayOverflow ||= index - start > maxPlainDigits;
        break;
      case 0x2c: // ,
        met = (commas[depth] ?? 0) + 1;
        if (met >= maxMembers) throw new JsonBeyondLimits("has more than {most} members in an object", maxMembers);
        commas[depth] = met;
        weight += cheap;
        mayOverflow ||= index - start > maxPlainDigits;
        start = index;
        break;
      case 0x45: // E
      case 0x65: // e
        mayOverflow ||= isDigit(text.charCodeAt(index - 1)) && text.charCodeAt(index + 1) !== 0x2d;
    }
    if (weight > maxWeight) throw new JsonBeyondLimits("has too many values in it", maxWeight);
  }
  return mayOverflow || text.length - start > maxPlainDigits;
}

/** Index of the quotation mark that ends the string which begins at `start`; the text's length where none does. */
export function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return text.length;
}

function isDigit(charCode: number): boolean {
  return charCode >= 0x30 && charCode <= 0x39;
}

/** Whether all numbers in it are; `JSON.parse` makes Infinity of those that are too large. */
function isAllFinite(value: JsonValue): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return isJsonList(value) ? value.every(isAllFinite) : Object.values(value).every(isAllFinite);
}

/** Whether it is an object and not a list. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isJsonList(value);
}

/** Like `Array.isArray`, which does not narrow readonly arrays. */
export function isJsonList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Whether a value holds at most so many values, itself included. Looks at no more than that. */
export function hasAtMost(most: number, value: JsonValue | undefined): boolean {
  return valuesLeft(most, value) >= 0;
}

function valuesLeft(most: number, value: JsonValue | undefined): number {
  let left = most - 1;
  if (typeof value !== "object" || value === null) return left;
  if (isJsonList(value)) {
    for (let index = 0; index < value.length && left >= 0; index++) left = valuesLeft(left, value[index]);
    return left;
  }
  for (const name of Object.keys(value)) {
    if (left < 0) break;
    left = valuesLeft(left, value[name]);
  }
  return left;
}
