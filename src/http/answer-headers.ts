import { type CacheRecord, isFromCache, type RequestRecord } from "../record.ts";

/** The `x-qingyu-*`, cache and timing headers of a generation's answer (the README's table). */
export function answerHeaders(record: RequestRecord, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = { "cache-control": "private, no-store" };
  if (record.provider !== undefined) headers["x-qingyu-provider"] = record.provider;
  if (record.omitted) headers["x-qingyu-omitted"] = record.omitted.join(", ");
  const attempts = record.attempts.map((attempt) => `${attempt.provider}:${attempt.outcome}`);
  const { cache } = record;
  if (cache) {
    headers["cache-status"] = cacheStatus(cache);
    headers["x-cache"] = cache.status.toUpperCase();
    if (isFromCache(cache)) {
      headers.age = String(cache.ageSeconds ?? 0);
      attempts.push(`cache:${cache.status}`);
    }
  }
  if (record.replayed) headers["idempotent-replayed"] = "true";
  if (attempts.length > 0) headers["x-qingyu-attempts"] = attempts.join(", ");
  headers["server-timing"] = serverTiming(record, nowMs);
  return headers;
}

/** RFC 9211. */
function cacheStatus({ status, forwarded, failedWith, ttlSeconds = 0, stored }: CacheRecord): string {
  if (failedWith !== undefined) return `QingyuGateway; fwd=${forwarded}; ttl=${ttlSeconds}; detail=${failedWith}`;
  if (status === "hit" || status === "stale") return `QingyuGateway; hit; ttl=${ttlSeconds}`;
  if (status === "coalesced") return `QingyuGateway; fwd=${forwarded}; collapsed`;
  return `QingyuGateway; fwd=${forwarded}${stored ? "; stored" : ""}`;
}

/** W3C Server-Timing: `cache`, one entry per attempt in order, and `gateway` for what is left: our own time. Milliseconds. */
function serverTiming(record: RequestRecord, nowMs: number): string {
  const entries: string[] = [];
  let elsewhereMs = 0;
  if (record.cache?.readMs !== undefined) {
    entries.push(`cache;dur=${record.cache.readMs}`);
    elsewhereMs += record.cache.readMs;
  }
  for (const attempt of record.attempts) {
    entries.push(`${attempt.provider};dur=${attempt.durationMs}`);
    elsewhereMs += attempt.durationMs;
  }
  entries.push(`gateway;dur=${Math.max(0, nowMs - record.startedAtMs - elsewhereMs)}`);
  return entries.join(", ");
}
