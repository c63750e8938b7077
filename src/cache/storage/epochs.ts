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
  /** The newest that this isolate has heard of, without asking. */
  newest(tenant: string): number;
  /** Throws where the store does. */
  advance(tenant: string): Promise<void>;
}

export interface EpochOptions {
  readonly store: Store;
  readonly digest: Digest;
  /** How long entries are kept. */
  readonly keptSeconds: number;
}

/** How long an isolate relies on what it has read: KV itself may take as long to show a change. */
const reliedOnForMs = 30_000;
/**
 * How much longer than entries an epoch is kept: who had not heard of it may have gone on to keep entries under the one
 * before, the last of them when a call ended that may take an hour.
 */
const outlivesSeconds = 7_200;
const maxTenants = 10_000;

interface Known {
  readonly epoch: number;
  readonly reliedOnUntilMs: number;
}

/** Epochs in the store, remembered for a while. An isolate never goes back to an earlier one, whatever KV shows it. */
export function createEpochs({ store, digest, keptSeconds }: EpochOptions): Epochs {
  const lifeSeconds = keptSeconds + outlivesSeconds;
  const known = createMemory<Known>({ maxSize: maxTenants, ttlMs: lifeSeconds * 1000 });
  const storeKeyOf = async (tenant: string) => `epoch:v1:${await digest(["epoch", tenant])}`;
  const newest = (tenant: string) => known.get(tenant)?.epoch ?? 0;
  const learn = (tenant: string, heard: number) => {
    const epoch = Math.max(heard, newest(tenant));
    known.put(tenant, { epoch, reliedOnUntilMs: Date.now() + reliedOnForMs }, 1);
    return epoch;
  };
  return {
    newest,
    async of(tenant, limitMs) {
      const remembered = known.get(tenant);
      if (remembered && remembered.reliedOnUntilMs > Date.now()) return remembered.epoch;
      const found = await store.get(await storeKeyOf(tenant), limitMs);
      const epoch = found ? Number(new TextDecoder().decode(found)) : found === null ? 0 : Number.NaN;
      return Number.isSafeInteger(epoch) ? learn(tenant, epoch) : undefined;
    },
    async advance(tenant) {
      const epoch = learn(tenant, Math.max(Date.now(), newest(tenant) + 1));
      await store.put(await storeKeyOf(tenant), new TextEncoder().encode(String(epoch)), lifeSeconds);
    },
  };
}
