import type { UpstreamFailure } from "../upstream-failure.ts";
import { verdictOn } from "./failures.ts";

/**
 * Whether a provider has refused a request before beginning it: it is at its limit, or says itself when to come back. Of a
 * connection that broke nobody knows how far it had come.
 */
export function isNotBegun({ failure: { origin, reason }, retryAfterMs }: UpstreamFailure): boolean {
  return origin === "peer" && (reason === "rate_limited" || (reason === "unavailable" && retryAfterMs !== undefined));
}

/** The longest wait that a provider may ask for before its second chance. */
const longestRetryAfterMs = 5_000;
/** Full jitter: a retry comes after a random part of this, so that callers who failed together do not return together. */
const jitterMs = 250;

/**
 * How long to wait before the same provider is asked once more, in milliseconds; undefined where it is not asked again:
 * only a failed connection, 429 and 5xx are worth it (docs/reliability.md).
 */
export function retryDelayMs({ failure, retryAfterMs = 0 }: UpstreamFailure): number | undefined {
  if (!verdictOn(failure).retry || retryAfterMs > longestRetryAfterMs) return undefined;
  return retryAfterMs + Math.random() * jitterMs;
}
