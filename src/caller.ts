import type { Policy } from "./policy.ts";

/** What a tenant may be called. */
export const tenantForm = /^[A-Za-z0-9._-]{1,64}$/;

/** Who asks, as the key or the token says that came with the request. Nothing of it is taken from a body. */
export interface Caller {
  /** Whose answers, knowledge and limits these are. */
  readonly tenant: string;
  /** The end user, where a token names one. */
  readonly user?: string;
  /** What a token says that its user may be; none for a key. */
  readonly roles: readonly string[];
  /** Which key it was, for the log; it opens nothing. Absent where none was needed, and for a token. */
  readonly keyId?: string;
  /** What its key itself says that may be done with it; it holds in the place of all others. Absent where the key says nothing. */
  readonly policy?: Policy;
  /** An operator of the gateway: administers every tenant and asks nothing for any. Its `tenant` is `*`, which is none's. */
  readonly isOperator?: true;
}

/** What outlives the answer to a request (Workers' `ctx.waitUntil`). */
export type WaitUntil = (work: Promise<unknown>) => void;

/**
 * Who sent a key or a token; nothing was sent where it is undefined. Throws a `GatewayError`: `unauthenticated`, or
 * `upstream_unavailable` where that cannot be said now.
 */
export type Identify = (credential: string | undefined, waitUntil: WaitUntil) => Caller | Promise<Caller>;

/** Names what is a caller's own: his user's where a token names one, else his tenant's. No two of them have one name. */
export function ownerName({ tenant, user }: Pick<Caller, "tenant" | "user">): string {
  return JSON.stringify(user === undefined ? [tenant] : [tenant, user]);
}

/** Whether a tenant is a caller's to administer: every one an operator's, its own a user's whose token says so. */
export function administers({ tenant, roles, isOperator }: Caller, named: string): boolean {
  return isOperator === true || (tenant === named && roles.includes("admin"));
}

/** Whether what a caller does may touch all of its tenant: a key is the tenant's own, a user must be one of its administrators. */
export function actsForTenant({ user, roles }: Caller): boolean {
  return user === undefined || roles.includes("admin");
}
