/** Values kept in this isolate while there is room for them. */
export interface Memory<T> {
  get(key: string): T | undefined;
  /** `chars` is how large the value counts. */
  put(key: string, value: T, chars: number): void;
}

export interface MemoryOptions {
  /** All values together; the oldest make room for new ones. */
  readonly maxChars: number;
  readonly ttlMs: number;
}

export function createMemory<T>({ maxChars, ttlMs }: MemoryOptions): Memory<T> {
  // In the order in which they were put, so the oldest is the first.
  const kept = new Map<string, { readonly value: T; readonly chars: number; readonly endsMs: number }>();
  let total = 0;
  const drop = (key: string) => {
    total -= kept.get(key)?.chars ?? 0;
    kept.delete(key);
  };
  return {
    get(key) {
      const found = kept.get(key);
      if (!found || found.endsMs > Date.now()) return found?.value;
      drop(key);
      return undefined;
    },
    put(key, value, chars) {
      drop(key);
      if (chars > maxChars) return;
      kept.set(key, { value, chars, endsMs: Date.now() + ttlMs });
      total += chars;
      for (const oldest of kept.keys()) {
        if (total <= maxChars) return;
        drop(oldest);
      }
    },
  };
}
