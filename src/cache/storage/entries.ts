import type { Operation, WholeAnswer } from "../../operation.ts";
import { logWarning } from "../../telemetry/log.ts";
import type { Call } from "../../upstream.ts";
import { decodeAnswer, encodeEntry, entryText, type Owner } from "./codec.ts";
import type { Encryption } from "./encryption.ts";
import type { Epochs } from "./epochs.ts";
import { schemaVersion } from "./key.ts";
import type { Store } from "./kv.ts";
import { createMemory } from "./memory.ts";

/** An operation's answers by the digest of their request: in this isolate's memory, and behind it in the store. */
export interface Entries<Whole> {
  /** Undefined where there is none, and where the store throws, is late, or gives something else than what was kept. */
  find(digest: string, tenant: string): Promise<Whole | undefined>;
  /** Keeps an answer that is worth it behind the caller's back. Whether it is, and small enough. */
  keep(digest: string, answer: Whole, call: Call): boolean;
  /** Forgets one entry. Throws where the store does. */
  drop(digest: string, tenant: string): Promise<void>;
}

/** The entries of all operations share one memory and one store. */
export type EntriesOf = <Request, Whole extends WholeAnswer>(operation: Operation<Request, Whole>) => Entries<Whole>;

export interface EntriesOptions {
  readonly store: Store;
  readonly encryption: Encryption;
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

/** Entries in memory and store. */
export function createEntries(options: EntriesOptions): EntriesOf {
  const { store, encryption, epochs, memoryBytes, keptSeconds, readTimeoutMs } = options;
  const memory = createMemory<WholeAnswer>({ maxSize: memoryBytes, ttlMs: rememberedForMs });
  const recentWrites = createMemory<true>({ maxSize: maxRecentWrites, ttlMs: betweenWritesMs });

  async function storeKeyOf({ tenant, operation, digest }: Owner): Promise<string | undefined> {
    const epoch = await epochs.of(tenant, readTimeoutMs);
    return epoch === undefined ? undefined : `${operation}:v${schemaVersion}:${epoch}:${digest}`;
  }

  async function write(owner: Owner, answer: WholeAnswer, text: string): Promise<void> {
    const key = await storeKeyOf(owner);
    if (key === undefined) return;
    memory.put(key, answer, text.length * bytesPerUnit);
    if (recentWrites.get(key)) return;
    recentWrites.put(key, true, 1);
    await store.put(key, await encryption.seal(await encodeEntry(text), owner.tenant, key), keptSeconds);
  }

  return <Request, Whole extends WholeAnswer>({ name, storage }: Operation<Request, Whole>) => {
    const ownerOf = (tenant: string, digest: string): Owner => ({ tenant, operation: name, digest });
    return {
      async find(digest: string, tenant: string) {
        const limitMs = Date.now() + readTimeoutMs;
        const owner = ownerOf(tenant, digest);
        const key = await storeKeyOf(owner);
        if (key === undefined) return undefined;
        // The operation is part of the key, so it is an answer of its kind.
        const remembered = () => memory.get(key) as Whole | undefined;
        const known = remembered();
        if (known) return known;
        const sealed = await store.get(key, limitMs - Date.now());
        const bytes = sealed ? await encryption.open(sealed, tenant, key) : undefined;
        const entry = bytes && (await decodeAnswer(storage, owner, bytes));
        // While the store was asked, another request's answer may have come.
        if (!entry) return remembered();
        memory.put(key, entry.answer, entry.textUnits * bytesPerUnit);
        return entry.answer;
      },
      keep(digest: string, answer: Whole, { tenant, requestId, waitUntil }: Call) {
        if (!storage.isStorable(answer)) return false;
        const owner = ownerOf(tenant, digest);
        const text = entryText(storage, owner, answer);
        if (text === undefined) return false;
        waitUntil(write(owner, answer, text).catch(() => logWarning("cache_write_failed", { requestId })));
        return true;
      },
      async drop(digest: string, tenant: string) {
        const key = await storeKeyOf(ownerOf(tenant, digest));
        if (key === undefined) throw new Error("the tenant's epoch is not known");
        memory.drop(key);
        await store.delete(key);
      },
    };
  };
}
