import * as z from "zod/mini";
import type { Caller } from "../../caller.ts";
import { dayMs } from "../../periods.ts";
import type { Quota } from "../../policy.ts";
import type { Statistics, Transaction } from "../../reports.ts";

/** What the platform's routes of quotas answer: their encoders' types and their description. Tokens are what is counted. */

const count = z.int().check(z.nonnegative());
const unlimited = z.describe("Null where there is no limit.");
const time = z.iso.datetime();
const quotaTypes = z.enum(["daily", "monthly", "total"]);

export const QuotaAnswer = z.object({
  id: z.string(),
  userId: z.string().check(z.describe("The token's user; a key's tenant.")),
  quotaType: quotaTypes,
  totalQuota: z.nullable(count).check(unlimited),
  usedQuota: count,
  remainingQuota: z.nullable(count).check(unlimited),
  status: z.enum(["active", "exhausted", "suspended"]),
  resetAt: z.nullable(time).check(z.describe("Null where it never begins anew.")),
  expiresAt: z.null(),
  metadata: z.object({
    userRole: z.nullable(z.string()).check(z.describe("Null where somebody else asks.")),
    membershipLevel: z.nullable(z.enum(["normal", "vip"])),
    lastConsumedAt: z.nullable(time),
    totalConsumptions: count,
    averagePerDay: count,
  }),
  createdAt: z.nullable(time),
  updatedAt: z.nullable(time),
});
export type QuotaAnswer = z.infer<typeof QuotaAnswer>;

export const StatisticsAnswer = z.object({
  userId: z.string(),
  totalQuota: z.nullable(count).check(unlimited),
  usedQuota: count,
  remainingQuota: z.nullable(count).check(unlimited),
  usagePercentage: z.number().check(z.nonnegative()),
  totalTransactions: count.check(z.describe("In all that the ledger keeps.")),
  dailyAverage: count.check(z.describe("Of the days on which there was something.")),
  quotaByType: z.record(z.string(), count),
  quotaByService: z.record(z.string(), count),
});
export type StatisticsAnswer = z.infer<typeof StatisticsAnswer>;

export const TransactionAnswer = z.object({
  id: z.string(),
  userId: z.string(),
  quotaType: quotaTypes,
  amount: count,
  type: z.literal("consume"),
  service: z.string().check(z.describe("What was asked for: `generate`, `embed`, or the name of an RPC.")),
  model: z.string(),
  requestId: z.string(),
  description: z.string(),
  beforeBalance: z.nullable(count).check(unlimited),
  afterBalance: z.nullable(count).check(unlimited),
  timestamp: time,
});
export type TransactionAnswer = z.infer<typeof TransactionAnswer>;

/** Whose a quota is: the user of a token, of a key its tenant. */
export interface QuotaOwner {
  readonly userId: string;
  /** Absent where somebody else asks, who cannot say. */
  readonly roles?: Caller["roles"];
}

/** A quota; undefined where there is no limit. */
export function quotaAnswer({ userId, roles }: QuotaOwner, quota: Quota | undefined, nowMs: number): QuotaAnswer {
  const { type = "daily", used = 0, status = "active", createdAtMs, consumptions = 0, tokensEver = 0 } = quota ?? {};
  const days = Math.max(1, Math.ceil((nowMs - (createdAtMs ?? nowMs)) / dayMs));
  const isVip = roles?.some((role) => role.toLowerCase() === "vip");
  return {
    id: `${userId}:${type}`,
    userId,
    quotaType: type,
    totalQuota: quota?.total ?? null,
    usedQuota: used,
    remainingQuota: quota?.remaining ?? null,
    status,
    resetAt: timeOrNull(quota?.resetAtMs),
    expiresAt: null,
    metadata: {
      userRole: roles ? (roles[0] ?? "user") : null,
      membershipLevel: roles ? (isVip ? "vip" : "normal") : null,
      lastConsumedAt: timeOrNull(quota?.lastConsumedAtMs),
      totalConsumptions: consumptions,
      averagePerDay: Math.round(tokensEver / days),
    },
    createdAt: timeOrNull(createdAtMs),
    updatedAt: timeOrNull(quota?.updatedAtMs),
  };
}

export function statisticsAnswer(
  { userId }: QuotaOwner,
  quota: Quota | undefined,
  { transactions, tokens, tokensByOperation, days }: Statistics,
): StatisticsAnswer {
  const { total, used = 0, remaining, type = "daily" } = quota ?? {};
  return {
    userId,
    totalQuota: total ?? null,
    usedQuota: used,
    remainingQuota: remaining ?? null,
    usagePercentage: percentage(used, total),
    totalTransactions: transactions,
    dailyAverage: days === 0 ? 0 : Math.round(tokens / days),
    quotaByType: { [type]: tokens },
    quotaByService: { ...tokensByOperation },
  };
}

/** Of tokens that were taken, by the limit that holds now. */
export function transactionAnswer(
  { userId }: QuotaOwner,
  quota: Quota | undefined,
  { id, atMs, operation, model, requestId, tokens, isEstimated, earlierTokens }: Transaction,
): TransactionAnswer {
  const { total, type = "daily" } = quota ?? {};
  const left = (taken: number) => (total === undefined ? null : Math.max(0, total - taken));
  return {
    ...{ id, userId, quotaType: type, amount: tokens, type: "consume", service: operation, model, requestId },
    description: isEstimated ? "AI服务消费(估算)" : "AI服务消费",
    beforeBalance: left(earlierTokens),
    afterBalance: left(earlierTokens + tokens),
    timestamp: new Date(atMs).toISOString(),
  };
}

/** With two decimals. */
function percentage(used: number, total: number | undefined): number {
  if (total === undefined) return 0;
  return total === 0 ? 100 : Math.round((used / total) * 10_000) / 100;
}

const timeOrNull = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
