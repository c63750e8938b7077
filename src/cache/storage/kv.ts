/** Where bytes are kept beyond this isolate. */
export interface Store {
  /** Null where nothing is there; undefined where that could not be learned within `limitMs`. Never throws. */
  get(key: string, limitMs: number): Promise<Uint8Array | null | undefined>;
  put(key: string, value: Uint8Array, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** KV's own minimum (https://developers.cloudflare.com/kv/api/write-key-value-pairs/). */
const minTtlSeconds = 60;

/** A store in Workers KV. */
export function kvStore(kv: KVNamespace): Store {
  return {
    async get(key, limitMs) {
      if (limitMs <= 0) return undefined;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const timer = setTimeout(resolve, limitMs);
      try {
        // KV cannot be told to stop, so a late read is left behind.
        kv.get(key, "arrayBuffer").then(resolve, reject);
        const value = await promise;
        return value instanceof ArrayBuffer ? new Uint8Array(value) : value === null ? null : undefined;
      } catch {
        return undefined;
      } finally {
        clearTimeout(timer);
      }
    },
    async put(key, value, ttlSeconds) {
      await kv.put(key, value, { expirationTtl: Math.max(minTtlSeconds, ttlSeconds) });
    },
    async delete(key) {
      await kv.delete(key);
    },
  };
}
