import type { Caller } from "../caller.ts";
import { matchesPattern } from "../model-pattern.ts";
import type { Policy, PolicyEntry } from "../policy.ts";

/** The limits that hold for a caller, and where what he takes is counted. */
export interface Limit {
  readonly policy: Policy;
  /** Names the account. */
  readonly account: string;
  /** The user who may be suspended. */
  readonly user?: string;
  /** Whether the account is this user's own, as the platform's quotas are. */
  readonly isUsers: boolean;
}

/** The platform's tokens by the day for its users; the greatest of those that one's roles have. */
const usersTokensPerDay = 10_000;
const tokensPerDayByRole: Readonly<Record<string, number>> = { vip: 100_000, admin: 999_999 };

export const tenantAccount = (tenant: string) => JSON.stringify([tenant]);
export const userAccount = (tenant: string, user: string) => JSON.stringify([tenant, "user", user]);
const keyAccount = (tenant: string, keyId: string) => JSON.stringify([tenant, "key", keyId]);

/**
 * Tells whose limits hold: those of the key, else of the first entry whose role the caller has, else of the tenant's entry,
 * else the platform's for its users. One policy holds and not several. What a role's holds is counted for each user, what a
 * tenant's holds for all of the tenant together. Undefined where there is none.
 */
export function createHolders(entries: readonly PolicyEntry[]): (caller: Caller) => Limit | undefined {
  const byTenant = Map.groupBy(entries, ({ tenant }) => tenant);
  return ({ tenant, user, roles, keyId, policy }) => {
    if (policy && keyId !== undefined) {
      return { policy, account: keyAccount(tenant, keyId), isUsers: false };
    }
    const ofTenant = byTenant.get(tenant) ?? [];
    const ofRole = ofTenant.find(({ role }) => role !== undefined && roles.includes(role));
    if (ofRole && user !== undefined) {
      return { policy: ofRole, account: userAccount(tenant, user), user, isUsers: true };
    }
    const ofAll = ofTenant.find(({ role }) => role === undefined);
    if (ofAll) return { policy: ofAll, account: tenantAccount(tenant), user, isUsers: false };
    if (user === undefined) return undefined;
    return { policy: platformPolicy(roles), account: userAccount(tenant, user), user, isUsers: true };
  };
}

/** What the platform gives a user with these roles. */
export function platformPolicy(roles: readonly string[]): Policy {
  const tokens = roles.map((role) => tokensPerDayByRole[role.toLowerCase()] ?? 0);
  return { tokensPerDay: Math.max(usersTokensPerDay, ...tokens) };
}

/** Whether a policy lets a model be asked for. */
export function mayUse({ models }: Policy, model: string): boolean {
  return !models || models.some((pattern) => matchesPattern(model, pattern));
}
