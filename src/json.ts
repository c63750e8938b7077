import type { JsonObject, JsonValue } from "./generation.ts";

/** Deeper JSON than any real request or answer, and far less than what overflows a stack. */
const maxDepth = 100;

/** Parses JSON text (RFC 8259). Throws a `SyntaxError` for anything else, and for values nested deeper than 100 levels. */
export function parseJson(text: string): JsonValue {
  if (isTooDeep(text)) throw new SyntaxError("nested too deeply");
  return JSON.parse(text);
}

/** Measures depth on the text, so that nothing is built from a hostile one. Strings are skipped over. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: // "
        index = endOfString(text, index);
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
    }
  }
  return false;
}

/** Index of the quotation mark that ends the string which begins at `start`; the text's length where none does. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return text.length;
}

/** Whether it is an object and not a list. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isJsonList(value);
}

/** Like `Array.isArray`, which does not narrow readonly arrays. */
export function isJsonList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
