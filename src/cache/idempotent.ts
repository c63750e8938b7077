import { isStream } from "../answer.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Generation, GenerationChunk, GenerationRequest, GenerationStream } from "../generation.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Generate } from "../upstream.ts";
import { decodeEntry, encodeEntry } from "./entry.ts";
import { type Digest, schemaVersion } from "./key.ts";
import { createMemory } from "./memory.ts";
import { permissionFrom } from "./policy.ts";
import { type Outcome, type Run, startRun } from "./run.ts";
import type { Seal } from "./seal.ts";
import type { Store } from "./store.ts";
import { watched } from "./watched.ts";

export interface IdempotencyOptions {
  readonly digest: Digest;
  /** Where other isolates learn of an answer; absent where nothing is stored. */
  readonly store?: Store;
  readonly seal: Seal;
}

/** How long a key stands for its answer. */
const keptForSeconds = 86_400;
/** All answers that an isolate remembers, as stored text. */
const maxMemoryChars = 4 * 1024 * 1024;
/** How much longer than its own deadline a run is waited for, so that it can tell its end. */
const graceMs = 1_000;

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
 * one's answer, those that come while it runs wait for it. Failures are not kept: who comes after one asks anew. Isolates
 * learn of each other's answers through the store, once these are complete and KV shows them.
 *
 * Throws a `GatewayError` `conflict` where the key stands for another request, and what the upstream throws.
 */
export function idempotent(upstream: Generate, { digest, store, seal }: IdempotencyOptions): Generate {
  const memory = createMemory<Kept>({ maxChars: maxMemoryChars, ttlMs: keptForSeconds * 1000 });
  const runs = new Map<string, Run>();

  const running = ({ name }: Claim): Run | undefined => {
    // The runtime can end a request without a word; what it left behind goes with its time.
    for (const [key, run] of runs) if (run.endsMs <= Date.now()) runs.delete(key);
    return runs.get(name);
  };

  async function stored({ name }: Claim, { tenant }: Call): Promise<Kept | undefined> {
    const key = storeKey(name);
    const sealed = await store?.get(key);
    const text = sealed === undefined ? undefined : await seal.open(sealed, tenant, key);
    const entry = text === undefined ? undefined : decodeEntry(text.slice(fingerprintChars), tenant);
    return entry && { fingerprint: text?.slice(0, fingerprintChars) ?? "", generation: entry.generation };
  }

  function keep({ name, fingerprint }: Claim, generation: Generation, call: Call): void {
    const text = fingerprint + encodeEntry({ tenant: call.tenant, generation });
    memory.put(name, { fingerprint, generation }, text.length);
    if (!store || text.length > maxMemoryChars || !permissionFrom(call.cacheControl).write) return;
    const key = storeKey(name);
    const written = seal.seal(text, call.tenant, key).then((sealed) => store.put(key, sealed, keptForSeconds));
    call.waitUntil(written.catch(() => logWarning("idempotency_write_failed", { requestId: call.requestId })));
  }

  /** Asks the upstream for all who come with this key meanwhile. */
  async function lead(claim: Claim, request: GenerationRequest, call: Call): Promise<Answer> {
    const run = startRun(claim.fingerprint, call.deadlineMs + graceMs);
    runs.set(claim.name, run);
    const end = (outcome: Outcome | undefined) => {
      if (runs.get(claim.name) === run) runs.delete(claim.name);
      run.end(outcome);
    };
    const complete = (generation: Generation) => {
      keep(claim, generation, call);
      end({ generation });
    };
    const fail = (error: unknown) => end(holdsForOthers(error) ? { error } : undefined);
    call.signal.addEventListener("abort", () => end(undefined));
    try {
      const known = await stored(claim, call);
      if (known) {
        const generation = replay(known, claim, call);
        memory.put(claim.name, known, JSON.stringify(known).length);
        end({ generation });
        return generation;
      }
      const answer = await upstream(request, call);
      if (isStream(answer)) return { ...answer, chunks: telling(answer, complete, fail) };
      complete(answer);
      return answer;
    } catch (error) {
      fail(error);
      throw error;
    }
  }

  return async (request, call) => {
    const { idempotencyKey, tenant } = call;
    if (idempotencyKey === undefined) return await upstream(request, call);
    const [name, fingerprint] = await Promise.all([digest([tenant, idempotencyKey]), digest([tenant, request])]);
    const claim: Claim = { name, fingerprint };
    for (;;) {
      const known = memory.get(name);
      if (known) return replay(known, claim, call);
      const run = running(claim);
      if (!run) return await lead(claim, request, call);
      requireSame(run, claim);
      const outcome = await run.outcome(call);
      if (outcome && "error" in outcome) throw outcome.error;
      if (outcome) return replay({ fingerprint, ...outcome }, claim, call);
    }
  };
}

const storeKey = (name: string) => `idempotency:v${schemaVersion}:${name}`;
/** Of a digest. */
const fingerprintChars = 43;

function replay(kept: Kept, claim: Claim, { record }: Call): Generation {
  requireSame(kept, claim);
  record.replayed = true;
  return kept.generation;
}

function requireSame(known: { readonly fingerprint: string }, claim: Claim): void {
  if (known.fingerprint === claim.fingerprint) return;
  throw new GatewayError("conflict", "The header 'idempotency-key' stands for another request already.", {
    code: "idempotency_key_reused",
    param: "idempotency-key",
  });
}

/** Whether an error is about the request or the providers, and not only about the caller who met it first. */
function holdsForOthers(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.kind !== "cancelled" && error.kind !== "deadline_exceeded";
}

async function* telling(
  stream: GenerationStream,
  onComplete: (generation: Generation) => void,
  onFailure: (error: unknown) => void,
): AsyncGenerator<GenerationChunk> {
  try {
    yield* watched(stream, onComplete);
  } catch (error) {
    onFailure(error);
    throw error;
  }
}
