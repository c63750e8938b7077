/** Where bytes are kept beyond this isolate. */
export interface Store {
  /** Null where nothing is there; undefined where that could not be learned within `limitMs`. Never throws. */
  get(key: string, limitMs: number): Promise<Uint8Array | null | undefined>;
  /**
   * The same for what is worth waiting for: that something is there must be learned within `limitMs`, and its bytes may take
   * until `untilMs` (Unix milliseconds).
   */
  getPatiently(key: string, limitMs: number, untilMs: number): Promise<Uint8Array | null | undefined>;
  put(key: string, value: Uint8Array, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** KV's own minimum (https://developers.cloudflare.com/kv/api/write-key-value-pairs/). */
const minTtlSeconds = 60;

/** A store in Workers KV. */
export function kvStore(kv: KVNamespace): Store {
  return {
    async get(key, limitMs) {
      // KV cannot be told to stop, so a late read is left behind.
      const value = await within(limitMs, () => kv.get(key, "arrayBuffer"));
      return value instanceof ArrayBuffer ? new Uint8Array(value) : value === null ? null : undefined;
    },
    async getPatiently(key, limitMs, untilMs) {
      // A stream is there before its bytes are. One that nobody reads would keep a connection from others.
      let isLate = false;
      const value = await within(limitMs, async () => {
        const found = await kv.get(key, "stream");
        if (isLate) await found?.cancel();
        return found;
      });
      isLate = value === undefined;
      if (!(value instanceof ReadableStream)) return value === null ? null : undefined;
      return await within(untilMs - Date.now(), () => new Response(value).bytes());
    },
    async put(key, value, ttlSeconds) {
      await kv.put(key, value, { expirationTtl: Math.max(minTtlSeconds, ttlSeconds) });
    },
    async delete(key) {
      await kv.delete(key);
    },
  };
}

/** What is read; undefined where that fails or takes longer. */
async function within<T>(limitMs: number, read: () => Promise<T>): Promise<T | undefined> {
  if (limitMs <= 0) return undefined;
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
  const timer = setTimeout(resolve, limitMs);
  try {
    read().then(resolve, reject);
    return await promise;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
