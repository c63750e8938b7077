/** Days and months in UTC, in Unix milliseconds: each is from its start to just before the next one's. */

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

const dayMs = 86_400_000;
