import * as z from "zod/mini";
import { tenantForm } from "../../caller.ts";
import type { Sentence } from "../../error-sentences.ts";
import type { GatewayError } from "../../errors.ts";
import { dateOf, dayOf } from "../../periods.ts";
import { type UsageGrouping, type UsageQuery, usageGroupings } from "../../reports.ts";
import { invalidValue, requireValid } from "../invalid.ts";

const defaultDays = 30;
const maxDays = 366;

const date = z.optional(z.iso.date());
const names = new RegExp(`^(${usageGroupings.join("|")})(,(${usageGroupings.join("|")}))*$`);

/** The query of `GET /admin/usage`. */
export const usageQuery = z.object({
  from: date.check(z.describe("The first day, in UTC; left out, 29 days before the last.")),
  to: date.check(z.describe("The last day; left out, today. At most 366 days.")),
  group: z
    .optional(z.string().check(z.regex(names)))
    .check(z.describe(`What is told apart, separated by commas: ${usageGroupings.join(", ")}. Left out, the day.`)),
  tenant: z
    .optional(z.string().check(z.regex(tenantForm)))
    .check(z.describe("Left out, an operator means all tenants, and an administrator his own.")),
});

export interface AskedUsage extends Omit<UsageQuery, "tenant"> {
  readonly tenant?: string;
  /** As dates. */
  readonly from: string;
  readonly to: string;
}

/** What a query asks for. Throws a `GatewayError` `invalid_request` that names the parameter. */
export function askedUsage(query: Record<string, string>, nowMs: number): AskedUsage {
  const { from, to, group = "day", tenant } = requireValid(usageQuery, query);
  const toDay = to === undefined ? dayOf(nowMs) : dayOf(Date.parse(to));
  const fromDay = from === undefined ? toDay - defaultDays + 1 : dayOf(Date.parse(from));
  if (fromDay > toDay) throw wrongRange("'from' is after 'to'.");
  if (toDay - fromDay >= maxDays) throw wrongRange("There are at most {most} days from 'from' to 'to'.");
  const asked = new Set(group.split(","));
  const groups: UsageGrouping[] = usageGroupings.filter((name) => asked.has(name));
  return { fromDay, toDay, groups, tenant, from: dateOf(fromDay), to: dateOf(toDay) };
}

function wrongRange(sentence: Sentence): GatewayError {
  return invalidValue("from", sentence, { most: maxDays });
}
