/** Where entries are kept. A miss is `undefined`, and so is everything that goes wrong when reading. */
export interface Store {
  get(key: string): Promise<string | undefined>;
  put(key: string, value: string, ttlSeconds: number): Promise<void>;
}

/** KV's own minimum (https://developers.cloudflare.com/kv/api/write-key-value-pairs/). */
const minTtlSeconds = 60;

/** A store in Workers KV. A read that fails or takes longer than `readTimeoutMs` is a miss. */
export function kvStore(kv: KVNamespace, readTimeoutMs: number): Store {
  return {
    async get(key) {
      const { promise: late, resolve } = Promise.withResolvers<undefined>();
      const timer = setTimeout(resolve, readTimeoutMs);
      // KV cannot be told to stop, so a late read is left behind.
      const read = new Promise<string | null>((settle) => settle(kv.get(key, "text"))).catch(() => null);
      const value = await Promise.race([read, late]);
      clearTimeout(timer);
      return value ?? undefined;
    },
    async put(key, value, ttlSeconds) {
      await kv.put(key, value, { expirationTtl: Math.max(minTtlSeconds, ttlSeconds) });
    },
  };
}
