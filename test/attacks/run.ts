/**
 * `npm run test:attacks [-- WORD ...]`: what callers and providers can do to an isolate of 128 MB, each beside an innocent
 * caller of another tenant; those whose names have one of the words. Says what did harm.
 */
import { buildBundle } from "../../bench/bundle.ts";
import { type Damage, damageOf } from "./attack.ts";
import { attacks } from "./attacks.ts";

/** How long an innocent caller may wait in 99 of 100 cases. */
const innocentP99Ms = 250;

const words = process.argv.slice(2);
const chosen = attacks.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const { path } = buildBundle({ minify: true });

const row = (cells: readonly unknown[]) => console.log(`| ${cells.join(" | ")} |`);
row([
  "attack",
  "attacker got",
  "longest ms",
  "innocent got",
  "p50 ms",
  "p99 ms",
  "longest ms",
  "peak heap MB",
  "process MB",
]);
row(["---", "---", "---:", "---", "---:", "---:", "---:", "---:", "---:"]);
const harm: string[] = [];
for (const attack of chosen) {
  const damage = await damageOf(path, attack);
  const { name, statuses, longestMs, innocent, peakHeapMb, peakProcessMb } = damage;
  const numbers = [innocent.p50Ms, innocent.p99Ms, innocent.longestMs, peakHeapMb, peakProcessMb];
  row([name, counts(statuses), longestMs.toFixed(0), counts(innocent.statuses), ...numbers.map((n) => n.toFixed(0))]);
  harm.push(...harmIn(damage).map((what) => `HARM ${name}: ${what}`));
}
console.log(["", ...harm].join("\n"));
process.exitCode = harm.length === 0 ? 0 : 1;

function harmIn({ isAlive, innocent }: Damage): string[] {
  const refused = Object.keys(innocent.statuses).filter((status) => status !== "200");
  return [
    ...(isAlive ? [] : ["the isolate has ended"]),
    ...(refused.length === 0 ? [] : [`the innocent caller got ${counts(innocent.statuses)}`]),
    ...(innocent.p99Ms <= innocentP99Ms ? [] : [`the innocent caller waited ${innocent.p99Ms.toFixed(0)} ms`]),
  ];
}

/** `20 x 400, 1 x none`. */
function counts(statuses: Readonly<Record<number, number>>): string {
  return Object.entries(statuses)
    .map(([status, count]) => `${count} x ${status === "0" ? "none" : status}`)
    .join(", ");
}
