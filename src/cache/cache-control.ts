import type { Directives } from "../cache-directives.ts";
import type { Lifetimes } from "../operation.ts";

/**
 * What may be done with an answer of this age: `fresh` and `stale` are handed out, `revalidate` is handed out and asked
 * for anew. `old` and `refused` are not: it is too old for us, or the caller wants a younger one (RFC 9211's `stale` and
 * `request`).
 */
export type Use = "fresh" | "stale" | "revalidate" | "old" | "refused";

/** What an entry of this age is good for, as the caller asks and the settings allow. */
export function useOf(ageSeconds: number, asked: Directives, { ttlSeconds, staleSeconds }: Lifetimes): Use {
  const staleness = ageSeconds - ttlSeconds;
  if (ageSeconds > asked.maxAge) return staleness < 0 ? "refused" : "old";
  if (staleness < 0) return "fresh";
  if (!isKept(staleness, staleSeconds)) return "old";
  if (asked.maxStale !== undefined && staleness <= asked.maxStale) return "stale";
  if (asked.staleWhileRevalidate !== undefined && staleness <= asked.staleWhileRevalidate) return "revalidate";
  return "old";
}

/** Whether what is stale for so many whole seconds, 0 at first, may be handed out at all. */
const isKept = (staleness: number, staleSeconds: number) => staleSeconds > 0 && staleness <= staleSeconds;

/** Whether an answer of this age may be handed out because no provider answers (RFC 5861, 4). By default it may. */
export function helpsOnError(ageSeconds: number, asked: Directives, { ttlSeconds, staleSeconds }: Lifetimes): boolean {
  const staleness = ageSeconds - ttlSeconds;
  return isKept(staleness, staleSeconds) && staleness <= (asked.staleIfError ?? Number.POSITIVE_INFINITY);
}

/** Whether an error is worth looking for an older answer at all. */
export function mayUseOnError({ noStore, noCache, staleIfError }: Directives): boolean {
  return staleIfError !== undefined || !(noStore || noCache);
}
