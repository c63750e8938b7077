import { directivesFrom } from "../cache-directives.ts";
import { isStream } from "../collect.ts";
import { type ErrorKind, GatewayError } from "../errors.ts";
import type { Answer, Lifetimes, Operation, WholeAnswer } from "../operation.ts";
import type { CacheRecord } from "../record.ts";
import type { Call, Upstream } from "../upstream.ts";
import { helpsOnError, mayUseOnError, useOf } from "./cache-control.ts";
import type { Coordination } from "./sharing/across-isolates.ts";
import type { Flight } from "./sharing/flight.ts";
import type { Flights } from "./sharing/single-flight.ts";
import type { Entries, Place } from "./storage/entries.ts";
import type { KeyOf } from "./storage/key.ts";

export interface CacheOptions<Request, Whole extends WholeAnswer> {
  readonly operation: Operation<Request, Whole>;
  readonly entries: Entries<Whole>;
  readonly flights: Flights;
  readonly coordination: Coordination;
  readonly digestOf: KeyOf<Request>;
  readonly lifetimes: Lifetimes;
}

/** An upstream that may be asked on behalf of a flight which is under way; without one it may begin its own. */
export type Shareable<Request, Whole> = (
  request: Request,
  call: Call,
  flight?: Flight<Whole>,
) => Promise<Answer<Whole>>;

/** A request on its way through the cache. */
interface Visit<Request> {
  readonly request: Request;
  readonly call: Call;
  readonly digest: string;
  /** Absent where nothing is kept, or where it could not be learned. */
  readonly place?: Place;
  /** Others' calls are of use to this one where they began then or later, in Unix milliseconds. */
  readonly oldestMs: number;
}

/** What was found for a request, with its age. */
interface Found<Whole> {
  readonly answer: Whole;
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
export function cached<Request, Whole extends WholeAnswer>(
  upstream: Upstream<Request, Answer<Whole>>,
  { operation, entries, flights, coordination, digestOf, lifetimes }: CacheOptions<Request, Whole>,
): Shareable<Request, Whole> {
  /** The upstream's answer, which is kept when it is complete, or that of another isolate. */
  async function fetchAndKeep({ request, place, oldestMs }: Visit<Request>, call: Call, flight: Flight<Whole>) {
    if (!place) return await upstream(request, call);
    const { answer: sealed, settle } = await coordination.claim(place.key, Date.now() - oldestMs, call);
    const others = sealed && (await entries.unseal(place, sealed, call.memory));
    if (others) {
      tell(call, { status: "coalesced" });
      return others;
    }
    const settleNothing = () => settle && call.waitUntil(settle(undefined));
    const keep = (whole: Whole) => entries.keep(place, whole, call, settle);
    try {
      const answer = await upstream(request, call);
      if (isStream(answer)) flight.onWhole((whole) => (whole ? keep(whole) : settleNothing()));
      else tell(call, { stored: keep(answer) });
      return answer;
    } catch (error) {
      settleNothing();
      throw error;
    }
  }

  async function find(place: Place | undefined, call: Call, sinceMs: number): Promise<Found<Whole> | undefined> {
    const answer = place && (await entries.find(place, call.memory));
    const nowMs = Date.now();
    tell(call, { readMs: nowMs - sinceMs });
    return answer && { answer, ageSeconds: Math.max(0, Math.floor((nowMs - answer.createdAtMs) / 1000)) };
  }

  function handOut({ call }: Visit<Request>, { answer, ageSeconds }: Found<Whole>, status: "hit" | "stale"): Whole {
    tell(call, { status, ageSeconds, ttlSeconds: lifetimes.ttlSeconds - ageSeconds });
    return answer;
  }

  const share = (visit: Visit<Request>, call: Call) =>
    flights.share<Request, Whole>({
      // What has been forgotten is not joined either.
      key: visit.place ? `${visit.place.key}:${visit.place.forgottenAtMs}` : visit.digest,
      oldestMs: visit.oldestMs,
      operation,
      call,
      upstream: (leading, flight) => fetchAndKeep(visit, leading, flight),
    });

  /** Asks anew behind the caller's back. The answer that is handed out meanwhile has nothing to do with how it goes. */
  function revalidate(visit: Visit<Request>): void {
    const { call } = visit;
    const background: Call = {
      ...call,
      stream: false,
      signal: new AbortController().signal,
      record: { ...call.record, attempts: [], cache: undefined },
    };
    call.waitUntil(share(visit, background).catch(() => {}));
  }

  /** The answer of the flight that this call leads or joins. */
  async function fetchShared(visit: Visit<Request>, flight?: Flight<Whole>): Promise<Answer<Whole>> {
    if (flight) return await fetchAndKeep(visit, visit.call, flight);
    const { answer, isJoined } = await share(visit, visit.call);
    if (isJoined) tell(visit.call, { status: "coalesced" });
    return answer;
  }

  return async (request, call, flight) => {
    const asked = directivesFrom(call.cacheControl);
    const digest = await digestOf(call.caller, request, asked);
    const sinceMs = Date.now();
    const place = asked.noStore ? undefined : await entries.placeOf(digest, call.caller.tenant);
    const oldestMs = call.record.startedAtMs - (asked.noCache ? 0 : asked.maxAge * 1000);
    const visit: Visit<Request> = { request, call, digest, place, oldestMs };
    const mayRead = !(asked.noStore || asked.noCache);
    call.record.cache = mayRead ? { status: "miss", forwarded: "miss" } : { status: "bypass", forwarded: "bypass" };

    let found: Found<Whole> | undefined;
    if (mayRead) {
      found = await find(place, call, sinceMs);
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
      throw cacheMiss();
    }
    try {
      return asked.noStore ? await upstream(request, call) : await fetchShared(visit, flight);
    } catch (error) {
      if (!(error instanceof GatewayError && isProviders.has(error.kind) && mayUseOnError(asked))) throw error;
      // What was found may have been forgotten while the providers were asked.
      const mayUse = mayRead && !(place && entries.isForgotten(place));
      const fallback = mayUse ? found : await find(await entries.placeOf(digest, call.caller.tenant), call, Date.now());
      if (!fallback || !helpsOnError(fallback.ageSeconds, asked, lifetimes)) throw error;
      tell(call, { failedWith: error.code });
      return handOut(visit, fallback, "stale");
    }
  };
}

/** Puts before an upstream whose answers are kept for nobody else what a caller may ask of the cache: 504 `cache_miss`. */
export function unkept<Request, Whole>(upstream: Upstream<Request, Answer<Whole>>): Shareable<Request, Whole> {
  return async (request, call) => {
    if (directivesFrom(call.cacheControl).onlyIfCached) throw cacheMiss();
    return await upstream(request, call);
  };
}

const cacheMiss = () =>
  new GatewayError("deadline_exceeded", "There is no answer in the cache.", { code: "cache_miss" });

function tell({ record }: Call, cache: Partial<CacheRecord>): void {
  Object.assign(record.cache ?? {}, cache);
}

/** The failures for which an older answer is better than none: the providers', not the caller's. */
const isProviders: ReadonlySet<ErrorKind> = new Set([
  "upstream_unavailable",
  "upstream_bad_response",
  "upstream_auth",
  "deadline_exceeded",
  "rate_limited",
]);
