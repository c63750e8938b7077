import type { Page } from "./page.ts";
import type { QuotaType } from "./policy.ts";
import type { Amount } from "./price.ts";

/** What was used, as it is read out of the ledger. Days are those of UTC. Throws a `GatewayError` `ledger_unavailable` where nobody answers. */
export interface Reports {
  /** What a tenant's user was charged, the latest first. The user is empty for callers who name none. */
  transactions(of: Owner, page: Page, period: QuotaType): Promise<readonly Transaction[]>;
  /** What a tenant's user was charged in all that is kept. */
  statistics(of: Owner): Promise<Statistics>;
  /** What was used, in groups. Throws a `GatewayError` `too_many_groups` or `too_many_tenants` where it is too much for one answer. */
  usage(query: UsageQuery): Promise<readonly UsageGroup[]>;
}

export interface Owner {
  readonly tenant: string;
  readonly user: string;
}

export interface Transaction {
  readonly id: string;
  readonly atMs: number;
  readonly operation: string;
  readonly model: string;
  readonly requestId: string;
  readonly tokens: number;
  readonly isEstimated: boolean;
  /** What else the user was charged before this, in tokens, since the beginning of its period. */
  readonly earlierTokens: number;
}

export interface Statistics {
  readonly transactions: number;
  readonly tokens: number;
  readonly tokensByOperation: Readonly<Record<string, number>>;
  /** On how many days there was something. */
  readonly days: number;
}

export const usageGroupings = ["model", "tenant", "user", "provider", "day"] as const;
export type UsageGrouping = (typeof usageGroupings)[number];

export interface UsageQuery {
  /** Absent for all tenants. */
  readonly tenant?: string;
  /** Days since 1970, both of them included. */
  readonly fromDay: number;
  readonly toDay: number;
  /** What is told apart. */
  readonly groups: readonly UsageGrouping[];
}

/** What was used in one group; tokens are those that were charged. */
export interface UsageGroup {
  readonly by: Readonly<Partial<Record<UsageGrouping, string>>>;
  /** All that were answered, also from the cache. */
  readonly requests: number;
  /** Those for which a provider was paid. */
  readonly charged: number;
  /** Charged ones of which the provider did not say what they took. */
  readonly estimated: number;
  /** Charged ones of which no price is known. */
  readonly unpriced: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens: number;
  readonly totalTokens: number;
  /** What those took that were answered without asking a provider, when it was asked for them. */
  readonly savedTokens: number;
  /** By currency, in its order. */
  readonly costs: readonly Amount[];
}
