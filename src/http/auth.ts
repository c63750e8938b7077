import type { MiddlewareHandler } from "hono";
import type { Caller } from "../caller.ts";
import type { ApiKey } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Walk } from "./call.ts";

/** Every caller of a gateway without keys, which only `development` allows, and there only this machine's. */
const openCaller: Caller = { tenant: "development", roles: [] };

/** One key can be written with more white space or less. */
const maxKnown = 1_000;
/** How many hexadecimal digits of a key's hash name it. */
const keyIdDigits = 8;

interface KnownKey {
  readonly caller: Caller;
  readonly digest: Uint8Array;
}

/**
 * Lets callers with a known bearer key pass and says who they are (RFC 6750). Without keys everyone passes who gets here.
 * Throws `unauthenticated`.
 */
export function authenticate(apiKeys: readonly ApiKey[]): MiddlewareHandler<Walk> {
  const keys = apiKeys.map(({ tenant, sha256Hex }) => ({
    caller: { tenant, roles: [], keyId: sha256Hex.slice(0, keyIdDigits) },
    digest: Uint8Array.fromHex(sha256Hex),
  }));
  /** By header, those that were right, so that a key is digested once and not with each request. */
  const known = new Map<string, Caller>();
  return function authenticate(c, next) {
    const authorization = c.req.header("authorization") ?? "";
    const pass = (caller: Caller) => {
      c.set("caller", caller);
      c.get("record").caller = caller;
      return next();
    };
    const caller = keys.length === 0 ? openCaller : known.get(authorization);
    if (caller !== undefined) return pass(caller);
    return callerOf(authorization, keys).then((found) => {
      if (known.size < maxKnown) known.set(authorization, found);
      return pass(found);
    });
  };
}

async function callerOf(authorization: string, keys: readonly KnownKey[]): Promise<Caller> {
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token === undefined)
    throw new GatewayError("unauthenticated", "Send an API key as 'Authorization: Bearer <key>'.", {
      code: "invalid_api_key",
    });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  // Every key is compared, each in constant time, so that the time taken tells nothing about any of them.
  let caller: Caller | undefined;
  for (const key of keys) if (crypto.subtle.timingSafeEqual(digest, key.digest)) caller = key.caller;
  if (caller === undefined)
    throw new GatewayError("unauthenticated", "The API key is not known.", { code: "invalid_api_key" });
  return caller;
}
