import { isStream } from "../answer.ts";
import type { Generation, GenerationRequest } from "../generation.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Generate } from "../upstream.ts";
import { decodeEntry, encodeEntry } from "./entry.ts";
import type { KeyOf } from "./key.ts";
import { isStorable, permissionFrom } from "./policy.ts";
import type { Seal } from "./seal.ts";
import type { Store } from "./store.ts";
import { watched } from "./watched.ts";

export interface CacheOptions {
  readonly store: Store;
  readonly keyOf: KeyOf;
  readonly seal: Seal;
  /** How long an entry is fresh, counted from the answer's creation. */
  readonly ttlSeconds: number;
  /** How much longer it is kept. */
  readonly staleSeconds: number;
}

/** An answer longer than this, as stored text, is not kept. */
const maxEntryChars = 4 * 1024 * 1024;

/**
 * Puts an exact-match cache before an upstream (design section 6). One entry serves plain and streamed callers. Throws only
 * what the upstream throws: whatever the store does wrong is a miss.
 */
export function cached(upstream: Generate, options: CacheOptions): Generate {
  return async (request, call) => {
    const may = permissionFrom(call.cacheControl);
    if (!may.write) {
      call.record.cache = { status: "bypass" };
      return upstream(request, call);
    }
    const key = await options.keyOf(call.tenant, request);
    if (may.read) {
      const hit = await lookUp(key, call, options);
      if (hit) return hit;
    } else {
      call.record.cache = { status: "bypass" };
    }
    return await storing(upstream, request, call, (generation) => write(key, generation, call, options));
  };
}

/** A fresh entry's answer. Writes down what was found and how long it took. */
async function lookUp(
  key: string,
  call: Call,
  { store, seal, ttlSeconds }: CacheOptions,
): Promise<Generation | undefined> {
  const startedMs = Date.now();
  const stored = await store.get(key);
  const text = stored === undefined ? undefined : await seal.open(stored, call.tenant, key);
  const nowMs = Date.now();
  const generation = text === undefined ? undefined : decodeEntry(text, call.tenant)?.generation;
  const ageSeconds = generation ? Math.max(0, Math.floor((nowMs - generation.createdAtMs) / 1000)) : 0;
  const readMs = nowMs - startedMs;
  if (!generation || ageSeconds >= ttlSeconds) {
    call.record.cache = { status: "miss", readMs };
    return undefined;
  }
  call.record.cache = { status: "hit", ttlSeconds: ttlSeconds - ageSeconds, ageSeconds, readMs };
  return generation;
}

/** Asks the upstream and hands a complete, storable answer to `keep`: at once, or when its stream has ended well. */
async function storing(
  upstream: Generate,
  request: GenerationRequest,
  call: Call,
  keep: (generation: Generation) => boolean,
) {
  const answer = await upstream(request, call);
  if (isStream(answer)) {
    const keepStorable = (generation: Generation) => void (isStorable(generation) && keep(generation));
    return { ...answer, chunks: watched(answer, keepStorable) };
  }
  if (call.record.cache && isStorable(answer)) call.record.cache.stored = keep(answer);
  return answer;
}

/** Writes an entry behind the answer's back. Returns whether it is small enough to be written. */
function write(key: string, generation: Generation, call: Call, options: CacheOptions): boolean {
  const text = encodeEntry({ tenant: call.tenant, generation });
  if (text.length > maxEntryChars) return false;
  const { store, seal, ttlSeconds, staleSeconds } = options;
  const written = seal.seal(text, call.tenant, key).then((sealed) => store.put(key, sealed, ttlSeconds + staleSeconds));
  call.waitUntil(written.catch(() => logWarning("cache_write_failed", { requestId: call.requestId })));
  return true;
}
