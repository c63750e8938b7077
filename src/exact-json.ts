import type { JsonObject, JsonValue } from "./generation.ts";
import { endOfString, isJsonList, isJsonObject, JsonBeyondLimits, parseJson } from "./json.ts";

declare global {
  // https://tc39.es/proposal-json-parse-with-source, which TypeScript's library does not know yet.
  interface JSON {
    rawJSON(text: string): JsonObject;
    isRawJSON(value: unknown): boolean;
  }
}

/** Stands before the digits of an integer while the text is parsed; made up in each isolate, so that no caller can write it. */
let mark = "";

/** The largest safe integer has sixteen digits. */
const longDigits = 16;
/** Far more than the schemas of a hundred tools have. */
const maxExact = 1_000;

/**
 * Parses JSON text as `parseJson` does, but keeps integers that no double holds (tenants' ids of 64 bits in the schema of a
 * tool): each is an object that `JSON.stringify` writes as it came. Not by a reviver, which takes forty times as long as
 * parsing where somebody sends half a million numbers. Throws what `parseJson`
 * throws, and `JsonBeyondLimits` for more than a thousand of them.
 */
export function parseExactJson(text: string, maxWeight: number): JsonValue {
  const value = parseJson(text, maxWeight);
  if (!/\d{16}/.test(text)) return value;
  mark ||= `${crypto.randomUUID()} `;
  const marked = markLongIntegers(text);
  return marked === undefined ? value : restored(JSON.parse(marked));
}

/** Whether a value is such an integer, and to be copied as it is. */
export function isExactInteger(value: JsonValue): boolean {
  return JSON.isRawJSON(value);
}

/** The text with texts in the place of long integers; undefined where it has none. */
function markLongIntegers(text: string): string | undefined {
  const parts: string[] = [];
  let from = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) index = endOfString(text, index);
    if (!isNumeral(code)) continue;
    const start = index;
    while (isNumeral(text.charCodeAt(index + 1))) index++;
    if (index + 1 - start < longDigits) continue;
    const digits = text.slice(start, index + 1);
    if (!/^-?\d+$/.test(digits) || Number.isSafeInteger(Number(digits))) continue;
    if (parts.push(text.slice(from, start), `"${mark}${digits}"`) > 2 * maxExact) {
      throw new JsonBeyondLimits("has more than {most} integers that no double holds", maxExact);
    }
    from = index + 1;
  }
  return parts.length === 0 ? undefined : parts.join("") + text.slice(from);
}

/** Digits, and what else a number may have. */
function isNumeral(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2b || code === 0x2e || (code | 0x20) === 0x65;
}

function restored(value: JsonValue): JsonValue {
  if (typeof value === "string") return value.startsWith(mark) ? JSON.rawJSON(value.slice(mark.length)) : value;
  if (isJsonList(value)) return value.map(restored);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, restored(member)]));
}
