import { type CacheRecord, isFromCache, type Left, type RequestRecord } from "../record.ts";

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
  Object.assign(
    headers,
    limitHeaders("requests", record.limits?.requests),
    limitHeaders("tokens", record.limits?.tokens),
  );
  return headers;
}

/** What is left of a limit, as OpenAI says it (https://platform.openai.com/docs/guides/rate-limits). */
function limitHeaders(of: "requests" | "tokens", left: Left | undefined): Record<string, string> {
  if (!left) return {};
  const { limit, remaining, resetMs } = left;
  return {
    [`x-ratelimit-limit-${of}`]: String(limit),
    [`x-ratelimit-remaining-${of}`]: String(remaining),
    ...(resetMs !== undefined && { [`x-ratelimit-reset-${of}`]: duration(resetMs) }),
  };
}

/** As OpenAI writes one: `120ms`, `1s`, `6m0s`, `23h59m59s`. Parts of a second are said only where there is no more. */
function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}h` : ""}${seconds >= 60 ? `${minutes}m` : ""}${seconds % 60}s`;
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
