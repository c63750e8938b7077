import type { Caller } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Lifetimes, Operation, WholeAnswer } from "../operation.ts";
import type { Upstream } from "../upstream.ts";
import { cached, unkept } from "./cached.ts";
import { createIdempotency } from "./idempotent.ts";
import { coordinatedBy, uncoordinated } from "./sharing/across-isolates.ts";
import type { Coordinator } from "./sharing/coordinator.ts";
import { createFlights } from "./sharing/single-flight.ts";
import { encryptedWith, unencrypted } from "./storage/encryption.ts";
import { createEntries } from "./storage/entries.ts";
import { createEpochs } from "./storage/epochs.ts";
import { digestWith, keyOf } from "./storage/key.ts";
import { kvStore } from "./storage/kv.ts";

/** As the settings `cache.*`. */
export interface RememberingOptions {
  readonly enabled: boolean;
  readonly ttlSeconds: number;
  readonly staleSeconds: number;
  readonly knowledgeSeconds: number;
  readonly readTimeoutMs: number;
  readonly memoryBytes: number;
  readonly coordinate: boolean;
  readonly keySecret?: string;
  readonly encryptionKey?: string;
}

export interface RememberingDependencies {
  /** Absent where no namespace is bound: then nothing is cached. */
  readonly kv?: KVNamespace;
  /** Absent where isolates cannot be coordinated. */
  readonly coordinators?: DurableObjectNamespace<Coordinator>;
}

/** What is remembered of answers. All operations share its memory, its store and its keys. */
export interface Remembering {
  /** Puts idempotency keys before an operation's chain, and the cache where its answers are kept for others. */
  remembered<Request, Whole extends WholeAnswer>(
    operation: Operation<Request, Whole>,
    chain: Upstream<Request, Answer<Whole>>,
  ): Remembered<Request, Whole>;
  /** Forgets a tenant's cached answers. Throws a `GatewayError` where that is not certain. */
  purge(tenant: string): Promise<void>;
}

interface Remembered<Request, Whole> {
  readonly ask: Upstream<Request, Answer<Whole>>;
  /** Forgets the cached answer to one request of a caller's. Throws a `GatewayError` where that is not certain. */
  readonly forget: (caller: Caller, request: Request) => Promise<void>;
}

/** Builds what remembers answers. Without a namespace, or with the cache off, it is only what stands under idempotency keys. */
export function createRemembering(
  {
    enabled,
    coordinate: isCoordinated,
    keySecret,
    encryptionKey,
    memoryBytes,
    readTimeoutMs,
    ttlSeconds,
    staleSeconds,
    knowledgeSeconds,
  }: RememberingOptions,
  { kv, coordinators }: RememberingDependencies,
): Remembering {
  const digest = digestWith(keySecret);
  const encryption = encryptionKey === undefined ? unencrypted : encryptedWith(encryptionKey);
  const flights = createFlights();
  if (!kv || !enabled) {
    const idempotent = createIdempotency({ digest, encryption, flights, readTimeoutMs });
    return {
      remembered: (operation, chain) => ({ ask: idempotent(operation, unkept(chain)), forget: async () => {} }),
      purge: async () => {},
    };
  }
  const store = kvStore(kv);
  const longestKeptSeconds = Math.max(ttlSeconds + staleSeconds, knowledgeSeconds);
  const epochs = createEpochs({ store, digest, keptSeconds: longestKeptSeconds });
  const entriesOf = createEntries({ store, encryption, epochs, memoryBytes, readTimeoutMs });
  const idempotent = createIdempotency({ digest, store, encryption, flights, readTimeoutMs });
  const coordinationFor = ({ ttlSeconds }: Lifetimes) =>
    coordinators && isCoordinated
      ? coordinatedBy({ objects: coordinators, claimTimeoutMs: readTimeoutMs, freshForMs: ttlSeconds * 1000 })
      : uncoordinated;
  return {
    remembered: <Request, Whole extends WholeAnswer>(
      operation: Operation<Request, Whole>,
      chain: Upstream<Request, Answer<Whole>>,
    ) => {
      const { lifetimes } = operation;
      if (!lifetimes) return { ask: idempotent(operation, unkept(chain)), forget: async () => {} };
      const entries = entriesOf(operation, lifetimes.ttlSeconds + lifetimes.staleSeconds);
      const coordination = coordinationFor(lifetimes);
      const digestOf = keyOf(operation, digest);
      const answers = cached(chain, { operation, entries, flights, coordination, digestOf, lifetimes });
      return {
        ask: idempotent(operation, answers),
        forget: (caller: Caller, request: Request) =>
          certainly(async () => {
            const key = await entries.drop(await digestOf(caller, request), caller.tenant);
            await coordination.forget(key);
          }),
      };
    },
    purge: (tenant) => certainly(() => epochs.advance(tenant)),
  };
}

/** Who has answers forgotten must know where nothing was: 503 `cache_unavailable`. */
async function certainly(forget: () => Promise<void>): Promise<void> {
  try {
    await forget();
  } catch (cause) {
    throw new GatewayError("upstream_unavailable", "The cache could not be purged.", {
      code: "cache_unavailable",
      cause,
    });
  }
}
