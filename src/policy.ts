import type { Caller } from "./caller.ts";

/** What a caller may do. A limit that is absent is none; one of 0 lets nothing through. */
export interface Policy {
  /** Patterns of the model names that may be asked for (`gpt-*`). */
  readonly models?: readonly string[];
  /** Within any 60 seconds. */
  readonly requestsPerMinute?: number;
  /** Under way at the same time. */
  readonly concurrent?: number;
  /** Of prompts and answers together, by the day in UTC. */
  readonly tokensPerDay?: number;
  /** By the month in UTC, in the currency of the prices. */
  readonly costPerMonth?: number;
}

/** A policy of the settings: for all of a tenant together, or for each of its users who has a role. */
export interface PolicyEntry extends Policy {
  readonly tenant: string;
  readonly role?: string;
}

/** Over which time tokens are counted; `total` never begins anew. */
export type QuotaType = "daily" | "monthly" | "total";

/** How many tokens there are for somebody, and how many of them are gone. */
export interface Quota {
  readonly type: QuotaType;
  /** Absent where there is no limit; so are `remaining` and, where it never begins anew, `resetAtMs`. */
  readonly total?: number;
  readonly used: number;
  /** What requests under way may still take does not count as gone. */
  readonly remaining?: number;
  readonly status: "active" | "exhausted" | "suspended";
  /** When it begins anew, in Unix milliseconds, as all times here. */
  readonly resetAtMs?: number;
  /** When it was first asked for, and when it last changed. */
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Absent where nothing was ever taken of it. */
  readonly lastConsumedAtMs?: number;
  /** How many answers have taken of it, and how many tokens, since `createdAtMs`. */
  readonly consumptions: number;
  readonly tokensEver: number;
}

/**
 * The numbers that policies count by. All throw a `GatewayError` `upstream_unavailable` (code `limits_unavailable`) where it is
 * not certain what they are or whether they have changed.
 */
export interface Quotas {
  /** How the tokens stand that hold for a caller, his own or his tenant's; undefined where he has no limits. */
  of(caller: Caller): Promise<Quota | undefined>;
  /** How a user's own tokens stand. */
  ofUser(tenant: string, user: string): Promise<Quota>;
  /** Puts a total in the place of what the policy says; until now used counts. */
  setTotal(tenant: string, user: string, total: number, type: QuotaType): Promise<Quota>;
  /** From now on the user may take nothing, whoever's limits hold for him; nothing that is under way ends. */
  suspend(tenant: string, user: string): Promise<void>;
  activate(tenant: string, user: string): Promise<void>;
}
