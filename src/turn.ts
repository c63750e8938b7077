/** So long work may go on that never waits, in milliseconds: until then neither timers nor other callers are heard. */
const turnMs = 4;

/** A wait of so many milliseconds is one in which they were. */
const restMs = 2;

export interface Turn {
  /** Whether it is others' turn, after a wait that began at `askedMs`. */
  isOver(askedMs: number): boolean;
  /** Lets timers and other callers have theirs. */
  giveWay(): Promise<void>;
}

/**
 * The turn of who reads on and on: what has come already is read in microtasks, which let nobody else in. By the clock, so
 * that who waits for a network anyhow never gives way.
 */
export function startTurn(): Turn {
  let sinceMs = Date.now();
  return {
    isOver(askedMs) {
      const nowMs = Date.now();
      if (nowMs - askedMs >= restMs) sinceMs = nowMs;
      return nowMs - sinceMs >= turnMs;
    },
    async giveWay() {
      await new Promise((resolve) => setTimeout(resolve));
      sinceMs = Date.now();
    },
  };
}
