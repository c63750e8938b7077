import * as z from "zod/mini";
import { type Caller, tenantForm } from "../caller.ts";
import type { Config } from "../config/config.ts";

const userForm = z.string().check(z.regex(/^[^\p{C}\p{Z}]{1,256}$/u));

/** What is read of a token; its issuer may say more. */
const schema = z.object({
  user_id: z.optional(userForm),
  sub: z.optional(userForm),
  roles: z.nullish(z.array(z.string().check(z.maxLength(64))).check(z.maxLength(32))),
  /** A refresh token asks for tokens and for nothing else. */
  token_type: z.optional(z.literal("access")),
  /** Unix seconds. */
  exp: z.number(),
});
const tenantName = z.string().check(z.regex(tenantForm));

interface Claimed {
  readonly caller: Caller;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

/**
 * Whom a verified token names; undefined where it names no user or no tenant, or was not made for calling. Where a claim is
 * to name the tenant, a token without it has none: it is never let into another one's.
 */
export function callerIn(
  claims: Readonly<Record<string, unknown>>,
  { tenant, tenantClaim }: Pick<Config["auth"]["jwt"], "tenant" | "tenantClaim">,
): Claimed | undefined {
  const read = schema.safeParse(claims).data;
  const named = tenantClaim === undefined ? tenant : tenantName.safeParse(claims[tenantClaim]).data;
  const user = read?.user_id ?? read?.sub;
  if (!read || named === undefined || user === undefined) return undefined;
  return { caller: { tenant: named, user, roles: read.roles ?? [] }, expiresAtMs: 1000 * read.exp };
}
