import type { JsonValue } from "../generation.ts";
import { isJsonList } from "../json.ts";
import type { Kind } from "./kinds.ts";

/** How a value that a language model wrote is read where nothing is lost by it. */
interface Reading {
  /** Completes "must be ...". */
  readonly expected: string;
  /** Undefined where it does not fit. */
  readonly read: (value: JsonValue) => string | number | boolean | undefined;
}

/** An integer may have a fraction of zeros. */
const numeral = /^[+-]?\d{1,30}(\.\d{1,30})?(e[+-]?\d{1,2})?$/i;
/** As people write 100,000. */
const inThousands = /^\d{1,3}(,\d{3}){1,5}$/;
const largestFloat = 3.4e38;

/** How a value of each kind is read, but for messages. */
export const readings: Readonly<Record<Extract<Kind, string>, Reading>> = {
  string: { expected: "a text", read: textIn },
  boolean: { expected: "true or false", read: booleanIn },
  integer: { expected: "a whole number of 32 bits", read: integerIn },
  number: { expected: "a number", read: numberIn },
};

function textIn(value: JsonValue): string | undefined {
  // Half a character has no UTF-8.
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const isLines = isJsonList(value) && value.every((line) => typeof line === "string");
  return isLines ? value.join("\n").toWellFormed() : undefined;
}

function booleanIn(value: JsonValue): boolean | undefined {
  const word = typeof value === "string" ? value.trim().toLowerCase() : value;
  if (word === true || word === "true") return true;
  return word === false || word === "false" ? false : undefined;
}

function integerIn(value: JsonValue): number | undefined {
  const isSplit = typeof value === "string" && inThousands.test(value.trim());
  const number = numberIn(isSplit ? value.replaceAll(",", "") : value);
  // What is no integer of 32 bits becomes another number by this.
  return number !== undefined && (number | 0) === number ? number | 0 : undefined;
}

function numberIn(value: JsonValue): number | undefined {
  const number = typeof value === "string" && numeral.test(value.trim()) ? Number(value) : value;
  return typeof number === "number" && Math.abs(number) <= largestFloat ? number : undefined;
}
