import type { Caller } from "../caller.ts";

/** A key that the settings have the hash of. */
export interface HashedKey {
  readonly caller: Caller;
  /** SHA-256, 64 hexadecimal digits. */
  readonly sha256Hex: string;
}

export interface ApiKeys {
  /** Whose key this is, where that was found out before. */
  known(key: string): Caller | undefined;
  /** Whose key this is; undefined where it is nobody's. */
  find(key: string): Promise<Caller | undefined>;
}

/** The keys of the settings. Each is digested once and not with each request. */
export function apiKeysFrom(entries: readonly HashedKey[]): ApiKeys {
  const keys = entries.map(({ caller, sha256Hex }) => ({ caller, digest: Uint8Array.fromHex(sha256Hex) }));
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
