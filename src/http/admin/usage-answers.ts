import * as z from "zod/mini";
import { amountText } from "../../price.ts";
import { type UsageGroup, type UsageGrouping, usageGroupings } from "../../reports.ts";

/** What administration answers of usage: its encoders and its description. */

const count = z.int().check(z.nonnegative());
const word = z.optional(z.string()).check(z.describe("Where it is asked for in `group`."));

const UsageRow = z.object({
  model: word,
  tenant: word,
  user: z.optional(z.string()).check(z.describe("Empty for callers whose key names no user.")),
  provider: word,
  day: z.optional(z.iso.date()),
  requests: count.check(z.describe("Answered ones, also from the cache.")),
  charged: count.check(z.describe("Those for which a provider was asked. The tokens and the cost are theirs.")),
  estimated: count.check(z.describe("Charged ones of which no provider said what they took.")),
  unpriced: count.check(z.describe("Charged ones of unknown cost.")),
  promptTokens: count,
  cachedTokens: count.check(z.describe("Those of the prompts that the providers had in their caches.")),
  completionTokens: count,
  reasoningTokens: count.check(z.describe("Those of the completions that were thoughts.")),
  totalTokens: count,
  savedTokens: count.check(z.describe("What the answers took once that were given again.")),
  costs: z
    .nullable(z.array(z.object({ currency: z.string(), amount: z.string() })))
    .check(z.describe("Exact decimals, by currency; without those that are unpriced. Null where nothing is known.")),
});
type UsageRow = z.infer<typeof UsageRow>;

export const UsageReport = z.object({ from: z.iso.date(), to: z.iso.date(), data: z.array(UsageRow) });
type UsageReport = z.infer<typeof UsageReport>;

export function usageReport(from: string, to: string, groups: readonly UsageGroup[]): UsageReport {
  return { from, to, data: groups.map(usageRow) };
}

function usageRow({ by, costs, ...sums }: UsageGroup): UsageRow {
  const isUnknown = sums.charged > 0 && costs.length === 0;
  return {
    ...by,
    ...sums,
    costs: isUnknown ? null : costs.map((cost) => ({ currency: cost.currency, amount: amountText(cost) })),
  };
}

const sumNames = [
  ...["requests", "charged", "estimated", "unpriced", "promptTokens", "cachedTokens", "completionTokens"],
  ...["reasoningTokens", "totalTokens", "savedTokens"],
] as const satisfies readonly (keyof UsageRow)[];

/** The same as CSV (RFC 4180), with a column for each currency, empty where no cost in it is known. */
export function usageCsv(names: readonly UsageGrouping[], groups: readonly UsageGroup[]): string {
  const columns = usageGroupings.filter((name) => names.includes(name));
  const currencies = [...new Set(groups.flatMap(({ costs }) => costs.map(({ currency }) => currency)))].toSorted();
  const header = [...columns, ...sumNames, ...currencies.map((currency) => `cost${currency}`)];
  const rows = groups.map((group) => {
    const cost = (currency: string) => group.costs.find((each) => each.currency === currency);
    return [
      ...columns.map((name) => csvText(group.by[name] ?? "")),
      ...sumNames.map((name) => group[name]),
      ...currencies.map(cost).map((amount) => (amount ? amountText(amount) : "")),
    ];
  });
  return [header, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

/** A text that others have chosen. What a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection). */
function csvText(text: string): string {
  const harmless = /^[\s]*[=+\-@]|^[\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
