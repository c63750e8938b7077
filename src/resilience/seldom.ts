import type { Hops } from "../upstream.ts";
import { settlesWithin } from "../waiting.ts";

export interface Seldom<Found> {
  /** Asks back ends; never throws. */
  readonly look: (hops: Hops) => Promise<Found>;
  /** How long what was found is good for, in milliseconds. */
  readonly goodForMs: (found: Found) => number;
  /** Longer than looking takes: after this whoever looks is given up, since the runtime can end a request without a word. */
  readonly giveUpMs: number;
}

/**
 * What many ask for and is looked for seldom, and never by two callers at once. Who comes while somebody else looks is told
 * what was known before or, where nothing was, waits for what he finds.
 */
export function seldom<Found>({ look, goodForMs, giveUpMs }: Seldom<Found>): (hops: Hops) => Promise<Found> {
  let known: { readonly found: Found; readonly untilMs: number } | undefined;
  let lookingUntilMs = 0;
  const waiting = new Set<() => void>();

  async function lookAgain(hops: Hops): Promise<Found> {
    const startedMs = Date.now();
    lookingUntilMs = startedMs + giveUpMs;
    const found = await look(hops);
    known = { found, untilMs: startedMs + goodForMs(found) };
    lookingUntilMs = 0;
    for (const wake of waiting) wake();
    waiting.clear();
    return found;
  }

  return async (hops) => {
    for (;;) {
      const nowMs = Date.now();
      if (known && nowMs < known.untilMs) return known.found;
      if (nowMs >= lookingUntilMs) return await lookAgain(hops);
      if (known) return known.found;
      // A request may not wait for I/O that another one began, so each has a promise and a timer of its own.
      const woken = Promise.withResolvers<void>();
      waiting.add(woken.resolve);
      await settlesWithin(woken.promise, lookingUntilMs - nowMs);
    }
  };
}
