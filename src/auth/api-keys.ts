import type { Caller } from "../caller.ts";
import type { ApiKey } from "../config/config.ts";

/** How many hexadecimal digits of a key's hash name it. */
const keyIdDigits = 8;

export interface ApiKeys {
  /** Whose key this is, where that was found out before. */
  known(key: string): Caller | undefined;
  /** Whose key this is; undefined where it is nobody's. */
  find(key: string): Promise<Caller | undefined>;
}

/** The keys of the settings. Each is digested once and not with each request. */
export function apiKeysFrom(entries: readonly ApiKey[]): ApiKeys {
  const keys = entries.map(({ tenant, sha256Hex }) => ({
    caller: { tenant, roles: [], keyId: sha256Hex.slice(0, keyIdDigits) },
    digest: Uint8Array.fromHex(sha256Hex),
  }));
  /** Only right ones, so no more than there are. */
  const known = new Map<string, Caller>();
  return {
    known: (key) => known.get(key),
    async find(key) {
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
      // Every key is compared, each in constant time, so that the time taken tells nothing about any of them.
      let caller: Caller | undefined;
      for (const each of keys) if (crypto.subtle.timingSafeEqual(digest, each.digest)) caller = each.caller;
      if (caller !== undefined) known.set(key, caller);
      return caller;
    },
  };
}
