import { distance } from "fastest-levenshtein";
import type { Bindings } from "./read.ts";
import { textOf } from "./read.ts";

/** How many letters a name may be off and still be taken for a slip. */
const maxSlips = 2;
/** Short names are close to too many others. */
const minLength = 8;

/** Names in the environment that look like a setting's but are none, each with what was probably meant. */
export function nearMisses(bindings: Bindings, known: ReadonlySet<string>): string[] {
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(bindings)) {
    if (known.has(name) || (textOf(value) === undefined && !Array.isArray(value))) continue;
    const meant = [...known].find((each) => name.length >= minLength && distance(name, each) <= maxSlips);
    if (meant !== undefined) warnings.push(`${name} is not a setting; did you mean ${meant}?`);
    else if (name.startsWith("QINGYU_")) warnings.push(`${name} is not a setting.`);
  }
  return warnings;
}
