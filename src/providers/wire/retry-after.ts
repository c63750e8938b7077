/** Nobody is asked to stay away for longer. */
export const longestWaitMs = 3_600_000;

/**
 * How long an answer asks us to wait, in milliseconds and at most an hour: `retry-after-ms`, else `Retry-After` in seconds
 * or as a date (RFC 9110, 10.2.3).
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const value = headers.get("retry-after") ?? "";
  const waitMs = number(headers.get("retry-after-ms") ?? "") ?? seconds(value) ?? untilDate(value, nowMs);
  return waitMs === undefined ? undefined : Math.min(longestWaitMs, waitMs);
}

function seconds(text: string): number | undefined {
  const value = number(text);
  return value === undefined ? undefined : value * 1000;
}

/** Every form of a date begins with the day's name; `Date.parse` would take "-5" for a year. */
function untilDate(text: string, nowMs: number): number | undefined {
  const dateMs = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function number(text: string): number | undefined {
  return /^\d{1,9}(\.\d+)?$/.test(text) ? Number(text) : undefined;
}
