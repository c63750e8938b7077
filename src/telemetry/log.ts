import { isFromCache, type RequestRecord } from "../record.ts";

/**
 * The request's one log line, as JSON: ids, what was asked of whom, how it ended, counts, durations in ms, sizes in bytes.
 * Never prompts, answers, keys or upstream texts; `RequestRecord` has no place for them.
 */
export function logLine(record: RequestRecord, status: number, nowMs: number): string {
  const { cache, replayed, run } = record;
  const isFromElsewhere = cache !== undefined && (isFromCache(cache) || cache.status === "coalesced");
  return JSON.stringify({
    message: "request",
    // 501 is what a caller asked for that there is not.
    level: status >= 500 && status !== 501 ? "error" : "info",
    // Not billed again.
    ...lineOf(record, nowMs, replayed === true || run !== undefined || isFromElsewhere),
    status,
    cache: cache?.status,
    stream: record.stream ?? false,
  });
}

/** The one line of a run, whoever has waited for it: the same of the work itself. */
export function runLine(record: RequestRecord, nowMs: number): string {
  const level = record.error === undefined ? "info" : "error";
  return JSON.stringify({ message: "run", level, ...lineOf(record, nowMs, false) });
}

/** What all lines say. */
function lineOf(record: RequestRecord, nowMs: number, isBilledElsewhere: boolean) {
  const { attempts, usage, caller, startedAtMs, cache: _, stream: __, ended: ___, written: ____, ...rest } = record;
  return {
    ...rest,
    tenant: caller?.tenant,
    user: caller?.user,
    keyId: caller?.keyId,
    attempts: attempts.map(({ firstTokenMs: _, came: __, ...attempt }) => attempt),
    usage: usage && { ...usage.split, totalTokens: usage.totalTokens, cached: isBilledElsewhere },
    durationMs: nowMs - startedAtMs,
  };
}

/** A line about something that went wrong without changing any answer. */
export function logWarning(message: string, fields: Readonly<Record<string, string | readonly string[]>>): void {
  console.warn(JSON.stringify({ message, level: "warn", ...fields }));
}
