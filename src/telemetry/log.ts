import { isFromCache, type RequestRecord } from "../record.ts";

/**
 * The request's one log line, as JSON: ids, what was asked of whom, how it ended, counts, durations in ms, sizes in bytes.
 * Never prompts, answers, keys or upstream texts; `RequestRecord` has no place for them.
 */
export function logLine(record: RequestRecord, status: number, nowMs: number): string {
  const { attempts, cache, usage, caller, startedAtMs, stream = false, ended: _, written: __, ...rest } = record;
  return JSON.stringify({
    message: "request",
    // 501 is what a caller asked for that there is not.
    level: status >= 500 && status !== 501 ? "error" : "info",
    ...rest,
    tenant: caller?.tenant,
    user: caller?.user,
    keyId: caller?.keyId,
    status,
    attempts: attempts.map(({ firstTokenMs: _, came: __, ...attempt }) => attempt),
    cache: cache?.status,
    usage: usage && {
      ...usage.split,
      totalTokens: usage.totalTokens,
      // Not billed again.
      cached: record.replayed === true || (cache !== undefined && (isFromCache(cache) || cache.status === "coalesced")),
    },
    stream,
    durationMs: nowMs - startedAtMs,
  });
}

/** A line about something that went wrong without changing any answer. */
export function logWarning(message: string, fields: Readonly<Record<string, string | readonly string[]>>): void {
  console.warn(JSON.stringify({ message, level: "warn", ...fields }));
}
