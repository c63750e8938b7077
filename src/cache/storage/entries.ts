import type { Share } from "../../in-flight.ts";
import type { Operation, WholeAnswer } from "../../operation.ts";
import { logWarning } from "../../telemetry/log.ts";
import type { Call } from "../../upstream.ts";
import { decodeAnswer, encodeEntry, entryText, type Owner } from "./codec.ts";
import type { Encryption } from "./encryption.ts";
import type { Epochs } from "./epochs.ts";
import { schemaVersion } from "./key.ts";
import type { Store } from "./kv.ts";
import { createMemory } from "./memory.ts";

/**
 * Where the answer to a request is kept, as it was when somebody asked. Once it is forgotten there is another place for it,
 * and what was asked for under the old one is kept nowhere.
 */
export interface Place {
  readonly owner: Owner;
  /** The store's key: operation, epoch of the tenant, digest of tenant and request. */
  readonly key: string;
  readonly epoch: number;
  /** When this one answer was last forgotten in this isolate; 0 for never. */
  readonly forgottenAtMs: number;
  readonly askedAtMs: number;
}

/** Who must hear of an answer before it is kept, sealed; undefined where there is nothing to keep. Whether it may be. */
type Settle = (sealed: Uint8Array | undefined) => Promise<boolean>;

/** An operation's answers by the digest of their request: in this isolate's memory, and behind it in the store. */
export interface Entries<Whole> {
  /** Undefined where the tenant's epoch could not be learned in time: then nothing is read and nothing kept. */
  placeOf(digest: string, tenant: string): Promise<Place | undefined>;
  /**
   * Undefined where there is none, and where the store throws, is late, or gives something else than what was kept. Throws
   * a `GatewayError` `overloaded` where there is no memory to read it.
   */
  find(place: Place, memory: Share): Promise<Whole | undefined>;
  /** What another isolate has kept; remembered here, and not written anew. Undefined where it is something else; throws as `find` does. */
  unseal(place: Place, sealed: Uint8Array, memory: Share): Promise<Whole | undefined>;
  /** Keeps an answer that is worth it behind the caller's back. Whether it is, small enough, and not forgotten already. */
  keep(place: Place, answer: Whole, call: Call, settle?: Settle): boolean;
  /** Whether what was asked for then has been forgotten since, by this one's purge or by all of its tenant's. */
  isForgotten(place: Place): boolean;
  /** Forgets one entry: its key. Throws where the store does. */
  drop(digest: string, tenant: string): Promise<string>;
}

/** The entries of all operations share one memory and one store, which keeps each of them for its own time. */
export type EntriesOf = <Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  keptSeconds: number,
) => Entries<Whole>;

export interface EntriesOptions {
  readonly store: Store;
  readonly encryption: Encryption;
  readonly epochs: Epochs;
  /** Of the memory; 0 for none. */
  readonly memoryBytes: number;
  /** All that a read may take, of place and entry together. */
  readonly readTimeoutMs: number;
}

/** Strings in memory are UTF-16. */
const bytesPerUnit = 2;
/** Not longer than KV itself may take to show that an entry is gone. */
const rememberedForMs = 60_000;
/** KV takes one write a second for a key. */
const betweenWritesMs = 1_000;
const maxRecentWrites = 10_000;
/** As long as a call may take that began before its answer was forgotten. */
const forgottenForMs = 3_600_000;
const maxForgotten = 10_000;

/** An entry on its way into the store. */
interface Writing {
  readonly place: Place;
  readonly text: string;
  readonly keptSeconds: number;
  readonly settle?: Settle;
}

interface Remembered {
  readonly answer: WholeAnswer;
  /** At the latest. */
  readonly askedAtMs: number;
}

/** Entries in memory and store. */
export function createEntries(options: EntriesOptions): EntriesOf {
  const { store, encryption, epochs, memoryBytes, readTimeoutMs } = options;
  const memory = createMemory<Remembered>({ maxSize: memoryBytes, ttlMs: rememberedForMs });
  const recentWrites = createMemory<true>({ maxSize: maxRecentWrites, ttlMs: betweenWritesMs });
  const forgotten = createMemory<number>({ maxSize: maxForgotten, ttlMs: forgottenForMs });

  const isForgotten = ({ owner, key, epoch, forgottenAtMs }: Place) =>
    epochs.newest(owner.tenant) !== epoch || (forgotten.get(key) ?? 0) !== forgottenAtMs;

  function remember({ key }: Place, remembered: Remembered, textUnits: number): void {
    memory.put(key, remembered, textUnits * bytesPerUnit);
  }

  async function write({ place, text, keptSeconds, settle }: Writing): Promise<void> {
    const { key, owner } = place;
    const isTooSoon = recentWrites.get(key) !== undefined;
    if (isTooSoon && !settle) return;
    if (!isTooSoon) recentWrites.put(key, true, 1);
    const sealed = await encryption.seal(await encodeEntry(text), owner.tenant, key);
    if (settle && !(await settle(sealed))) memory.drop(key);
    else if (!isTooSoon && !isForgotten(place)) await store.put(key, sealed, keptSeconds);
  }

  return <Request, Whole extends WholeAnswer>({ name, storage }: Operation<Request, Whole>, keptSeconds: number) => {
    async function placeOf(digest: string, tenant: string): Promise<Place | undefined> {
      const askedAtMs = Date.now();
      const epoch = await epochs.of(tenant, readTimeoutMs);
      if (epoch === undefined) return undefined;
      const key = `${name}:v${schemaVersion}:${epoch}:${digest}`;
      const forgottenAtMs = forgotten.get(key) ?? 0;
      return { owner: { tenant, operation: name, digest }, key, epoch, forgottenAtMs, askedAtMs };
    }

    async function unseal(place: Place, sealed: Uint8Array, share: Share): Promise<Whole | undefined> {
      const bytes = await encryption.open(sealed, place.owner.tenant, place.key);
      const entry = bytes && (await decodeAnswer(storage, place.owner, bytes, share));
      if (!entry || isForgotten(place)) return undefined;
      const { answer, textUnits } = entry;
      // KV may go on showing what was forgotten.
      if (answer.createdAtMs <= place.forgottenAtMs) return undefined;
      remember(place, { answer, askedAtMs: answer.createdAtMs }, textUnits);
      return answer;
    }

    return {
      placeOf,
      unseal,
      isForgotten,
      async find(place: Place, share: Share) {
        // The operation is part of the key, so it is an answer of its kind.
        const remembered = () => memory.get(place.key)?.answer as Whole | undefined;
        const known = remembered();
        if (known) return known;
        const sealed = await store.get(place.key, place.askedAtMs + readTimeoutMs - Date.now());
        // While the store was asked, another request's answer may have come.
        const found = sealed ? await unseal(place, sealed, share) : undefined;
        return found ?? (isForgotten(place) ? undefined : remembered());
      },
      keep(place: Place, answer: Whole, { requestId, waitUntil }: Call, settle?: Settle) {
        const { key, askedAtMs } = place;
        const isOvertaken = (memory.get(key)?.askedAtMs ?? 0) > askedAtMs;
        const isWanted = storage.isStorable(answer) && !isOvertaken && !isForgotten(place);
        const text = isWanted ? entryText(storage, place.owner, answer) : undefined;
        if (text === undefined) {
          if (settle) waitUntil(settle(undefined));
          return false;
        }
        remember(place, { answer, askedAtMs }, text.length);
        waitUntil(
          write({ place, text, keptSeconds, settle }).catch(() => logWarning("cache_write_failed", { requestId })),
        );
        return true;
      },
      async drop(digest: string, tenant: string) {
        const place = await placeOf(digest, tenant);
        if (!place) throw new Error("the tenant's epoch is not known");
        const { key, forgottenAtMs } = place;
        forgotten.put(key, Math.max(Date.now(), forgottenAtMs + 1), 1);
        memory.drop(key);
        await store.delete(key);
        return key;
      },
    };
  };
}
