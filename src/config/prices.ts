import * as z from "zod/mini";
import type { ModelPrice } from "../price.ts";
import { problemWith } from "./problem.ts";
import { type Bindings, firstGiven, type Reading } from "./read.ts";
import { entryIn, structuredValue } from "./structured.ts";

/** More are nobody's price list. */
const maxPrices = 1_000;
const patternForm = /^\S{1,256}$/;
/** With more decimals a token would not cost a whole number of millionths of a millionth. */
const priceForm = /^\d{1,6}(\.\d{1,6})?$/;

const price = z.union([z.number(), z.string()]).check(z.refine((value) => priceForm.test(String(value))));
const entrySchema = z.strictObject({
  input: price,
  output: price,
  cachedInput: z.optional(price),
  currency: z.string().check(z.regex(/^[A-Z]{3}$/)),
});

/** What models cost, in the settings' order. Adds what is wrong to the reading's problems. */
export function readPrices(bindings: Bindings, reading: Reading): readonly ModelPrice[] {
  const bad = (reason: string) => reading.problems.push(problemWith("usage.prices", reason));
  const table = structuredValue("usage.prices", bindings);
  if (table === undefined) {
    if (firstGiven("usage.prices", bindings, reading.expandText)) bad("is not a table");
    return [];
  }
  if (typeof table !== "object" || table === null || Array.isArray(table)) {
    bad("is not a table");
    return [];
  }
  const entries = Object.entries(table);
  if (entries.length > maxPrices) {
    bad(`has more than ${maxPrices} entries`);
    return [];
  }
  const prices: ModelPrice[] = [];
  for (const [index, [pattern, raw]] of entries.entries()) {
    const at = `entry ${index + 1}`;
    if (!patternForm.test(pattern)) bad(`${at}: its name is no model and no pattern`);
    const entry = entryIn(entrySchema, raw, reading, (reason) => bad(`${at}: ${reason}`));
    if (!entry) continue;
    const { input, output, cachedInput, currency } = entry;
    prices.push({
      ...{ pattern, currency, input: millionths(input), output: millionths(output) },
      ...(cachedInput !== undefined && { cachedInput: millionths(cachedInput) }),
    });
  }
  return prices;
}

/** Exactly as it was written. */
function millionths(price: string | number): number {
  const [whole = "", fraction = ""] = String(price).split(".");
  return Number(`${whole}${fraction.padEnd(6, "0")}`);
}
