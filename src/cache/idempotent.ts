import { isStream } from "../collect.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Generation, GenerationRequest } from "../generation.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Generate } from "../upstream.ts";
import { directivesFrom } from "./cache-control.ts";
import { type Digest, schemaVersion } from "./key.ts";
import { createFlights } from "./sharing/single-flight.ts";
import { decodeEntry, encodeEntry, entryText } from "./storage/codec.ts";
import type { Seal } from "./storage/encryption.ts";
import type { Store } from "./storage/kv.ts";
import { createMemory } from "./storage/memory.ts";
import { watched } from "./watched.ts";

export interface IdempotencyOptions {
  readonly digest: Digest;
  /** Where other isolates learn of an answer; absent where nothing is stored. */
  readonly store?: Store;
  readonly seal: Seal;
  /** All that a read of the store may take. */
  readonly readTimeoutMs: number;
}

/** How long a key stands for its answer. */
const keptForSeconds = 86_400;
/** All answers that an isolate remembers, as text, in UTF-16 units. */
const maxMemoryUnits = 4 * 1024 * 1024;

/** What a key stands for. */
interface Kept {
  readonly fingerprint: string;
  readonly generation: Generation;
}

/** One caller's key, and what it asks under it. */
interface Claim {
  readonly name: string;
  readonly fingerprint: string;
}

/**
 * Answers requests that carry the same `Idempotency-Key` from one upstream call, per tenant: later ones get the first
 * one's answer, those that come while it runs share its flight. Failures are not kept: who comes after one asks anew.
 * Isolates learn of each other's answers through the store, once these are complete and KV shows them.
 *
 * Throws a `GatewayError` `conflict` where the key stands for another request, and what the upstream throws.
 */
export function idempotent(upstream: Generate, { digest, store, seal, readTimeoutMs }: IdempotencyOptions): Generate {
  const memory = createMemory<Kept>({ maxSize: maxMemoryUnits, ttlMs: keptForSeconds * 1000 });
  const flights = createFlights();

  async function stored({ name }: Claim, { tenant }: Call): Promise<(Kept & { textUnits: number }) | undefined> {
    const key = storeKey(name);
    const sealed = await store?.get(key, readTimeoutMs);
    const bytes = sealed ? await seal.open(sealed, tenant, key) : undefined;
    const entry = bytes && (await decodeEntry(bytes.subarray(fingerprintBytes), { tenant, digest: name }));
    if (!entry) return undefined;
    const fingerprint = new TextDecoder().decode(bytes.subarray(0, fingerprintBytes));
    return { fingerprint, generation: entry.generation, textUnits: entry.textUnits };
  }

  async function put({ name, fingerprint }: Claim, text: string, tenant: string, into: Store): Promise<void> {
    const key = storeKey(name);
    const bytes = Uint8Array.of(...new TextEncoder().encode(fingerprint), ...(await encodeEntry(text)));
    await into.put(key, await seal.seal(bytes, tenant, key), keptForSeconds);
  }

  function keep(claim: Claim, generation: Generation, { tenant, cacheControl, requestId, waitUntil }: Call): void {
    const text = entryText({ tenant, digest: claim.name, generation });
    if (text === undefined) return;
    memory.put(claim.name, { fingerprint: claim.fingerprint, generation }, text.length);
    if (!store || directivesFrom(cacheControl).noStore) return;
    waitUntil(put(claim, text, tenant, store).catch(() => logWarning("idempotency_write_failed", { requestId })));
  }

  /** Asks the upstream for all who come with this key meanwhile. */
  async function lead(claim: Claim, request: GenerationRequest, call: Call): Promise<Answer> {
    const known = await stored(claim, call);
    if (known) {
      const generation = replay(known, claim, call);
      memory.put(claim.name, known, known.textUnits);
      return generation;
    }
    const answer = await upstream(request, call);
    if (isStream(answer)) return watched(answer, (generation) => generation && keep(claim, generation, call));
    keep(claim, answer, call);
    return answer;
  }

  return async (request, call) => {
    const { idempotencyKey, tenant } = call;
    if (idempotencyKey === undefined) return await upstream(request, call);
    const [name, fingerprint] = await Promise.all([digest([tenant, idempotencyKey]), digest([tenant, request])]);
    const claim: Claim = { name, fingerprint };
    const known = memory.get(name);
    if (known) return replay(known, claim, call);
    requireSame(flights.tagOf(name), claim);
    const { answer, isJoined } = await flights.share(
      name,
      call,
      (leading) => lead(claim, request, leading),
      fingerprint,
    );
    if (isJoined) call.record.replayed = true;
    return answer;
  };
}

const storeKey = (name: string) => `idempotency:v${schemaVersion}:${name}`;
/** Of a digest, in ASCII. */
const fingerprintBytes = 43;

function replay(kept: Kept, claim: Claim, { record }: Call): Generation {
  requireSame(kept.fingerprint, claim);
  record.replayed = true;
  return kept.generation;
}

function requireSame(fingerprint: string | undefined, claim: Claim): void {
  if (fingerprint === undefined || fingerprint === claim.fingerprint) return;
  throw new GatewayError("conflict", "The header 'idempotency-key' stands for another request already.", {
    code: "idempotency_key_reused",
    param: "idempotency-key",
  });
}
