/** Values kept in this isolate while there is room for them. */
export interface Memory<T> {
  get(key: string): T | undefined;
  /** `size` is how large the value counts. */
  put(key: string, value: T, size: number): void;
  drop(key: string): void;
}

export interface MemoryOptions {
  /** All values together; the oldest make room for new ones. */
  readonly maxSize: number;
  readonly ttlMs: number;
}

/** An empty memory. */
export function createMemory<T>({ maxSize, ttlMs }: MemoryOptions): Memory<T> {
  // In the order in which they were put, so the oldest is the first.
  const kept = new Map<string, { readonly value: T; readonly size: number; readonly endsMs: number }>();
  let total = 0;
  const drop = (key: string) => {
    total -= kept.get(key)?.size ?? 0;
    kept.delete(key);
  };
  return {
    get(key) {
      const found = kept.get(key);
      if (!found || found.endsMs > Date.now()) return found?.value;
      drop(key);
      return undefined;
    },
    put(key, value, size) {
      drop(key);
      if (size > maxSize) return;
      kept.set(key, { value, size, endsMs: Date.now() + ttlMs });
      total += size;
      for (const oldest of kept.keys()) {
        if (total <= maxSize) return;
        drop(oldest);
      }
    },
    drop,
  };
}
