/** Days and months in UTC, in Unix milliseconds: each is from its start to just before the next one's. */

export const dayMs = 86_400_000;

/** A day as the number of days since 1970, and that as a date (`2026-01-31`). */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / dayMs);
}

export function dateOf(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, "2026-01-01".length);
}

export function startOfDayMs(timeMs: number): number {
  return timeMs - (timeMs % dayMs);
}

export function endOfDayMs(timeMs: number): number {
  return startOfDayMs(timeMs) + dayMs;
}

export function startOfMonthMs(timeMs: number): number {
  const date = new Date(timeMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

export function endOfMonthMs(timeMs: number): number {
  const date = new Date(timeMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
