import { directivesFrom } from "../cache-directives.ts";
import { isStream } from "../collect.ts";
import type { Answer, Operation, WholeAnswer } from "../operation.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Upstream } from "../upstream.ts";
import type { Shareable } from "./cached.ts";
import { claimOf, type KeyClaim, keptForSeconds, keyReused } from "./idempotency-key.ts";
import type { Flight } from "./sharing/flight.ts";
import type { Flights } from "./sharing/single-flight.ts";
import { decodeEntry, encodeEntry, entryText, type Owner } from "./storage/codec.ts";
import type { Encryption } from "./storage/encryption.ts";
import { type Digest, schemaVersion } from "./storage/key.ts";
import type { Store } from "./storage/kv.ts";
import { createMemory } from "./storage/memory.ts";

export interface IdempotencyOptions {
  readonly digest: Digest;
  /** Where other isolates learn of an answer; absent where nothing is stored. */
  readonly store?: Store;
  readonly encryption: Encryption;
  readonly flights: Flights;
  /** How long the store may take to say whether there is an answer. */
  readonly readTimeoutMs: number;
}

/** Puts what keys stand for before an upstream. The keys of all operations are one set. */
export type Idempotent = <Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  upstream: Shareable<Request, Whole>,
) => Upstream<Request, Answer<Whole>>;

/** How long an answer may take to come out of the store: asking anew would take longer, and be billed. */
const readForMs = 10_000;
/** All answers that an isolate remembers, as text, in UTF-16 units. */
const maxMemoryUnits = 4 * 1024 * 1024;

/** What a key stands for. */
interface Kept {
  readonly fingerprint: string;
  readonly answer: WholeAnswer;
}

/** A call that asks for all who come with its key. */
interface Leading<Request, Whole> {
  readonly request: Request;
  readonly call: Call;
  readonly flight: Flight<Whole>;
}

/**
 * Answers requests that carry the same `Idempotency-Key` from one upstream call, per tenant and user of a token: later ones get the first
 * one's answer, those that come while it runs share its flight. Failures are not kept: who comes after one asks anew.
 * Isolates learn of each other's answers through the store, once these are complete and KV shows them.
 *
 * What it makes throws a `GatewayError` `conflict` where the key stands for another request, and what the upstream throws.
 */
export function createIdempotency(options: IdempotencyOptions): Idempotent {
  const { digest, store, encryption, flights, readTimeoutMs } = options;
  const memory = createMemory<Kept>({ maxSize: maxMemoryUnits, ttlMs: keptForSeconds * 1000 });

  return <Request, Whole extends WholeAnswer>(
    operation: Operation<Request, Whole>,
    upstream: Shareable<Request, Whole>,
  ) => {
    const { storage } = operation;
    const ownerOf = (tenant: string, name: string): Owner => ({ tenant, operation: operation.name, digest: name });

    /** What another isolate has stored. */
    async function stored(
      { tenant, name, fingerprint }: KeyClaim,
      { deadlineMs, memory: share }: Call,
    ): Promise<Whole | undefined> {
      const key = storeKey(name);
      const untilMs = Math.min(deadlineMs, Date.now() + readForMs);
      const sealed = await store?.getPatiently(key, readTimeoutMs, untilMs);
      const bytes = sealed ? await encryption.open(sealed, tenant, key) : undefined;
      const entry = bytes && (await decodeEntry({ tenant, digest: name }, bytes.subarray(fingerprintBytes), share));
      if (!entry) return undefined;
      requireSame(new TextDecoder().decode(bytes.subarray(0, fingerprintBytes)), fingerprint);
      const answer = storage.fromJson(entry.answer);
      if (answer) memory.put(name, { fingerprint, answer }, entry.textUnits);
      return answer;
    }

    async function put({ tenant, name, fingerprint }: KeyClaim, text: string, into: Store): Promise<void> {
      const key = storeKey(name);
      const entry = await encodeEntry(text);
      const bytes = new Uint8Array(fingerprintBytes + entry.length);
      new TextEncoder().encodeInto(fingerprint, bytes);
      bytes.set(entry, fingerprintBytes);
      await into.put(key, await encryption.seal(bytes, tenant, key), keptForSeconds);
    }

    function keep(claim: KeyClaim, answer: Whole, { cacheControl, requestId, waitUntil }: Call): void {
      const text = entryText(storage, ownerOf(claim.tenant, claim.name), answer);
      if (text === undefined) return;
      memory.put(claim.name, { fingerprint: claim.fingerprint, answer }, text.length);
      if (!store || directivesFrom(cacheControl).noStore) return;
      waitUntil(put(claim, text, store).catch(() => logWarning("idempotency_write_failed", { requestId })));
    }

    /** Asks the upstream for all who come with this key meanwhile. */
    async function lead(claim: KeyClaim, { request, call, flight }: Leading<Request, Whole>): Promise<Answer<Whole>> {
      const known = await stored(claim, call);
      if (known) {
        call.record.replayed = true;
        return known;
      }
      const answer = await upstream(request, call, flight);
      if (isStream(answer)) flight.onWhole((whole) => whole && keep(claim, whole, call));
      else keep(claim, answer, call);
      return answer;
    }

    return async (request: Request, call: Call) => {
      const { idempotencyKey, caller, record } = call;
      if (idempotencyKey === undefined) return await upstream(request, call);
      const claim = await claimOf({ digest, operation, caller, idempotencyKey }, request);
      const { name, fingerprint } = claim;
      const known = memory.get(name);
      if (known) {
        requireSame(known.fingerprint, fingerprint);
        record.replayed = true;
        // The operation is part of the fingerprint, so it is an answer of its kind.
        return known.answer as Whole;
      }
      requireSame(flights.tagOf(name) ?? fingerprint, fingerprint);
      const { answer, isJoined } = await flights.share<Request, Whole>({
        key: name,
        tag: fingerprint,
        operation,
        call,
        upstream: (leading, flight) => lead(claim, { request, call: leading, flight }),
      });
      if (isJoined) record.replayed = true;
      return answer;
    };
  };
}

const storeKey = (name: string) => `idempotency:v${schemaVersion}:${name}`;
/** Of a digest, in ASCII. */
const fingerprintBytes = 43;

function requireSame(known: string, fingerprint: string): void {
  if (known !== fingerprint) throw keyReused();
}
