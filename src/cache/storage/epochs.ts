import type { Digest } from "./key.ts";
import type { Store } from "./kv.ts";
import { createMemory } from "./memory.ts";

/**
 * A tenant's epoch stands in the keys of its entries; moving it on makes all earlier ones unreachable, without a list of
 * them, which KV could give only late and in pieces. KV has no counters, so an epoch is the time of its beginning.
 */
export interface Epochs {
  /** Unix milliseconds, 0 where the tenant has never purged; undefined where it could not be learned in time. */
  of(tenant: string, limitMs: number): Promise<number | undefined>;
  /** Throws where the store does. */
  advance(tenant: string): Promise<void>;
}

export interface EpochOptions {
  readonly store: Store;
  readonly digest: Digest;
  /** How long entries are kept; an older epoch says nothing any more. */
  readonly keptSeconds: number;
}

/** How long an isolate relies on what it has read: KV itself may take as long to show a change. */
const knownForMs = 30_000;
const maxTenants = 10_000;

/** Epochs in the store, remembered for a while. */
export function createEpochs({ store, digest, keptSeconds }: EpochOptions): Epochs {
  const known = createMemory<number>({ maxSize: maxTenants, ttlMs: knownForMs });
  const storeKeyOf = async (tenant: string) => `epoch:v1:${await digest(["epoch", tenant])}`;
  return {
    async of(tenant, limitMs) {
      const remembered = known.get(tenant);
      if (remembered !== undefined) return remembered;
      const found = await store.get(await storeKeyOf(tenant), limitMs);
      const epoch = found ? Number(new TextDecoder().decode(found)) : found === null ? 0 : Number.NaN;
      if (!Number.isSafeInteger(epoch)) return undefined;
      known.put(tenant, epoch, 1);
      return epoch;
    },
    async advance(tenant) {
      const epoch = Date.now();
      known.put(tenant, epoch, 1);
      await store.put(await storeKeyOf(tenant), new TextEncoder().encode(String(epoch)), keptSeconds);
    },
  };
}
