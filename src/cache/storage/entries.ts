import type { Generation } from "../../generation.ts";
import { logWarning } from "../../telemetry/log.ts";
import type { Call } from "../../upstream.ts";
import { schemaVersion } from "../key.ts";
import { decodeEntry, type Entry, encodeEntry, entryText } from "./codec.ts";
import type { Seal } from "./encryption.ts";
import type { Epochs } from "./epochs.ts";
import type { Store } from "./kv.ts";
import { createMemory } from "./memory.ts";

/** Answers by the digest of their request: in this isolate's memory, and behind it in the store. */
export interface Entries {
  /** Undefined where there is none, and where the store throws, is late, or gives something else than what was kept. */
  find(digest: string, tenant: string): Promise<Generation | undefined>;
  /** Keeps an answer behind the caller's back. Whether it is small enough. */
  keep(digest: string, generation: Generation, call: Call): boolean;
  /** Forgets one entry. Throws where the store does. */
  drop(digest: string, tenant: string): Promise<void>;
}

export interface EntriesOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly epochs: Epochs;
  /** Of the memory; 0 for none. */
  readonly memoryBytes: number;
  /** How long the store keeps an entry. */
  readonly keptSeconds: number;
  /** All that a read may take. */
  readonly readTimeoutMs: number;
}

/** Strings in memory are UTF-16. */
const bytesPerUnit = 2;
/** Not longer than KV itself may take to show that an entry is gone. */
const rememberedForMs = 60_000;
/** KV takes one write a second for a key. */
const betweenWritesMs = 1_000;
const maxRecentWrites = 10_000;

export function createEntries({
  store,
  seal,
  epochs,
  memoryBytes,
  keptSeconds,
  readTimeoutMs,
}: EntriesOptions): Entries {
  const memory = createMemory<Generation>({ maxSize: memoryBytes, ttlMs: rememberedForMs });
  const recentWrites = createMemory<true>({ maxSize: maxRecentWrites, ttlMs: betweenWritesMs });

  async function keyOf(digest: string, tenant: string, limitMs: number): Promise<string | undefined> {
    const epoch = await epochs.of(tenant, limitMs);
    return epoch === undefined ? undefined : `generation:v${schemaVersion}:${epoch}:${digest}`;
  }

  async function write(entry: Entry, text: string): Promise<void> {
    const key = await keyOf(entry.digest, entry.tenant, readTimeoutMs);
    if (key === undefined) return;
    memory.put(key, entry.generation, text.length * bytesPerUnit);
    if (recentWrites.get(key)) return;
    recentWrites.put(key, true, 1);
    await store.put(key, await seal.seal(await encodeEntry(text), entry.tenant, key), keptSeconds);
  }

  return {
    async find(digest, tenant) {
      const limitMs = Date.now() + readTimeoutMs;
      const key = await keyOf(digest, tenant, readTimeoutMs);
      if (key === undefined) return undefined;
      const remembered = memory.get(key);
      if (remembered) return remembered;
      const sealed = await store.get(key, limitMs - Date.now());
      const bytes = sealed ? await seal.open(sealed, tenant, key) : undefined;
      const entry = bytes && (await decodeEntry(bytes, { tenant, digest }));
      if (entry) memory.put(key, entry.generation, entry.textUnits * bytesPerUnit);
      return entry?.generation;
    },
    keep(digest, generation, { tenant, requestId, waitUntil }) {
      const entry: Entry = { tenant, digest, generation };
      const text = entryText(entry);
      if (text === undefined) return false;
      waitUntil(write(entry, text).catch(() => logWarning("cache_write_failed", { requestId })));
      return true;
    },
    async drop(digest, tenant) {
      const key = await keyOf(digest, tenant, readTimeoutMs);
      if (key === undefined) throw new Error("the tenant's epoch is not known");
      memory.drop(key);
      await store.delete(key);
    },
  };
}
