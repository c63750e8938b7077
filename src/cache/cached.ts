import { isStream } from "../collect.ts";
import { type ErrorKind, GatewayError } from "../errors.ts";
import type { Answer, Generation, GenerationRequest } from "../generation.ts";
import type { CacheRecord } from "../record.ts";
import type { Call, Generate } from "../upstream.ts";
import {
  type Directives,
  directivesFrom,
  helpsOnError,
  isStorable,
  type Lifetimes,
  mayUseOnError,
  useOf,
} from "./cache-control.ts";
import type { KeyOf } from "./key.ts";
import type { Coordinate } from "./sharing/across-isolates.ts";
import { createFlights } from "./sharing/single-flight.ts";
import type { Entries } from "./storage/entries.ts";
import { watched } from "./watched.ts";

export interface CacheOptions {
  readonly entries: Entries;
  readonly coordinate: Coordinate;
  readonly keyOf: KeyOf;
  readonly lifetimes: Lifetimes;
}

/** A request on its way through the cache. */
interface Visit {
  readonly request: GenerationRequest;
  readonly call: Call;
  readonly digest: string;
  readonly asked: Directives;
}

/** What was found for a request, with its age. */
interface Found {
  readonly generation: Generation;
  readonly ageSeconds: number;
}

/**
 * Puts an exact-match cache before an upstream (docs/cache.md). One entry serves plain and streamed callers; identical
 * requests in flight share one call; an answer that is no longer fresh is handed out where every provider failed, and
 * where the caller allows it.
 *
 * Throws what the upstream throws, and a `GatewayError` 504 `cache_miss` for `only-if-cached`. Whatever the store does wrong
 * is a miss.
 */
export function cached(upstream: Generate, { entries, coordinate, keyOf, lifetimes }: CacheOptions): Generate {
  const flights = createFlights();

  /** The upstream's answer, which is kept when it is complete. */
  async function fetchAndKeep(visit: Visit, call: Call): Promise<Answer> {
    const { request, digest } = visit;
    const keep = (generation?: Generation) =>
      generation !== undefined && isStorable(generation) && entries.keep(digest, generation, call);
    const { answer, isJoined } = await coordinate(digest, call, (leading) => upstream(request, leading));
    if (isStream(answer)) return watched(answer, keep);
    tell(call, { stored: keep(answer), ...(isJoined && { status: "coalesced" }) });
    return answer;
  }

  async function find({ digest, call }: Visit): Promise<Found | undefined> {
    const startedMs = Date.now();
    const generation = await entries.find(digest, call.tenant);
    const nowMs = Date.now();
    tell(call, { readMs: nowMs - startedMs });
    return generation && { generation, ageSeconds: Math.max(0, Math.floor((nowMs - generation.createdAtMs) / 1000)) };
  }

  const tell = ({ record }: Call, cache: Partial<CacheRecord>) => {
    Object.assign(record.cache ?? {}, cache);
  };

  function handOut({ call }: Visit, { generation, ageSeconds }: Found, status: "hit" | "stale"): Generation {
    tell(call, { status, ageSeconds, ttlSeconds: lifetimes.ttlSeconds - ageSeconds });
    return generation;
  }

  /** Asks anew behind the caller's back. The answer that is handed out meanwhile has nothing to do with how it goes. */
  function revalidate(visit: Visit): void {
    const { call, digest } = visit;
    const background: Call = {
      ...call,
      stream: false,
      signal: new AbortController().signal,
      record: { ...call.record, attempts: [], cache: undefined },
    };
    call.waitUntil(flights.share(digest, background, (leading) => fetchAndKeep(visit, leading)).catch(() => {}));
  }

  /** The answer of the call that is in flight, else of one of its own. */
  async function fetchShared(visit: Visit): Promise<Answer> {
    const { digest, call } = visit;
    const { answer, isJoined } = await flights.share(digest, call, (leading) => fetchAndKeep(visit, leading));
    if (isJoined) tell(call, { status: "coalesced" });
    return answer;
  }

  return async (request, call) => {
    const asked = directivesFrom(call.cacheControl);
    const visit: Visit = { request, call, asked, digest: await keyOf(call.tenant, request) };
    const mayRead = !(asked.noStore || asked.noCache);
    call.record.cache = mayRead ? { status: "miss", forwarded: "miss" } : { status: "bypass", forwarded: "bypass" };

    let found: Found | undefined;
    if (mayRead) {
      found = await find(visit);
      if (found) {
        const use = useOf(found.ageSeconds, asked, lifetimes);
        if (use === "fresh") return handOut(visit, found, "hit");
        if (use === "stale" || use === "revalidate") {
          if (use === "revalidate") revalidate(visit);
          return handOut(visit, found, "stale");
        }
        tell(call, { status: "miss", forwarded: use === "refused" ? "request" : "stale" });
      }
    }
    if (asked.onlyIfCached) {
      throw new GatewayError("deadline_exceeded", "There is no answer in the cache.", { code: "cache_miss" });
    }
    try {
      return asked.noStore ? await upstream(request, call) : await fetchShared(visit);
    } catch (error) {
      if (!(error instanceof GatewayError && isProviders.has(error.kind) && mayUseOnError(asked))) throw error;
      const fallback = mayRead ? found : await find(visit);
      if (!fallback || !helpsOnError(fallback.ageSeconds, asked, lifetimes)) throw error;
      tell(call, { failedWith: error.code });
      return handOut(visit, fallback, "stale");
    }
  };
}

/** The failures for which an older answer is better than none: the providers', not the caller's. */
const isProviders: ReadonlySet<ErrorKind> = new Set([
  "upstream_unavailable",
  "upstream_bad_response",
  "upstream_auth",
  "deadline_exceeded",
  "rate_limited",
]);
