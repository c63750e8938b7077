import type { MiddlewareHandler } from "hono";
import type { ApiKey } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Walk } from "./call.ts";

/** The tenant of every caller of a gateway without keys, which only `development` allows, and there only this machine's. */
const openTenant = "development";

/** One key can be written with more white space or less. */
const maxKnown = 1_000;

/**
 * Lets callers with a known bearer key pass and says whose they are (RFC 6750). Without keys everyone passes who
 * gets here.
 * Throws `unauthenticated`.
 */
export function authenticate(apiKeys: readonly ApiKey[]): MiddlewareHandler<Walk> {
  const keys = apiKeys.map(({ tenant, sha256Hex }) => ({ tenant, digest: Uint8Array.fromHex(sha256Hex) }));
  /** By header, those that were right, so that a key is digested once and not with each request. */
  const known = new Map<string, string>();
  return function authenticate(c, next) {
    const authorization = c.req.header("authorization") ?? "";
    const pass = (tenant: string) => {
      c.set("tenant", tenant);
      c.get("record").tenant = tenant;
      return next();
    };
    const tenant = keys.length === 0 ? openTenant : known.get(authorization);
    if (tenant !== undefined) return pass(tenant);
    return tenantOf(authorization, keys).then((found) => {
      if (known.size < maxKnown) known.set(authorization, found);
      return pass(found);
    });
  };
}

async function tenantOf(
  authorization: string,
  keys: readonly { tenant: string; digest: Uint8Array }[],
): Promise<string> {
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token === undefined)
    throw new GatewayError("unauthenticated", "Send an API key as 'Authorization: Bearer <key>'.", {
      code: "invalid_api_key",
    });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  // Every key is compared, each in constant time, so that the time taken tells nothing about any of them.
  let tenant: string | undefined;
  for (const key of keys) if (crypto.subtle.timingSafeEqual(digest, key.digest)) tenant = key.tenant;
  if (tenant === undefined)
    throw new GatewayError("unauthenticated", "The API key is not known.", { code: "invalid_api_key" });
  return tenant;
}
