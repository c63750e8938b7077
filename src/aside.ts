import type { Upstream } from "./upstream.ts";

/**
 * Asks on behalf of a request for something else that is of use to it. It is written down in a record of its own, which
 * nobody reads, has no idempotency key, and takes no longer than `limitMs`, nor than the request may.
 */
export function aside<Request, Answer>(
  upstream: Upstream<Request, Answer>,
  limitMs: number,
): Upstream<Request, Answer> {
  return async (request, { idempotencyKey: _, onAsked: __, hedgeAfterMs: ___, ...call }) => {
    const { requestId, trace, caller } = call;
    const startedAtMs = Date.now();
    return await upstream(request, {
      ...call,
      stream: false,
      deadlineMs: Math.min(call.deadlineMs, startedAtMs + limitMs),
      record: { requestId, traceId: trace.traceId, startedAtMs, attempts: [], caller },
    });
  };
}
