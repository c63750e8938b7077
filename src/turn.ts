/** So long work may go on that never waits, in milliseconds: until then neither timers nor other callers are heard. */
const turnMs = 4;

/** A wait of so many milliseconds is one in which they were. */
const restMs = 2;

/** So often work goes on in any case: what comes a thousand times a second waits too, only less than the clock can tell. */
const minSteps = 32;

/** And no oftener, whatever the clock says: on Cloudflare it stands still while nothing comes from outside. */
const maxSteps = 1_000;

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
  let steps = 0;
  const begin = (nowMs: number) => {
    sinceMs = nowMs;
    steps = 0;
  };
  return {
    isOver(askedMs) {
      const nowMs = Date.now();
      if (nowMs - askedMs >= restMs) begin(nowMs);
      return ++steps >= maxSteps || (steps >= minSteps && nowMs - sinceMs >= turnMs);
    },
    async giveWay() {
      await new Promise((resolve) => setTimeout(resolve));
      begin(Date.now());
    },
  };
}
