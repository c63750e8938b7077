/** So long work may go on that never waits, in milliseconds: until then neither timers nor other callers are heard. */
const turnMs = 4;

/** A wait of so many milliseconds is one in which they were. */
const restMs = 2;

/** So often work goes on in any case: what comes a thousand times a second waits too, only less than the clock can tell. */
const minSteps = 32;

/** And no oftener, whatever the clock says: on Cloudflare it stands still while nothing comes from outside. */
const maxSteps = 1_000;

/** What is told of long work before it begins or goes on: how long it will be, in milliseconds. */
export type AskForTurn = (workMs: number) => Promise<void>;

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
export function startTurn(ask?: AskForTurn): Turn {
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
      await ask?.(turnMs);
      begin(Date.now());
    },
  };
}

/** What is done with a body of so many bytes at once is short. */
const shortBytes = 64 * 1024;

/** To parse, check and write again what is in a mebibyte takes so long. */
const msPerMebibyte = 40;

/** Waits for the turn of who is about to make something of a whole body, where that takes long. */
export async function turnFor(bodyBytes: number, ask: AskForTurn | undefined): Promise<void> {
  if (bodyBytes > shortBytes) await ask?.((bodyBytes / 2 ** 20) * msPerMebibyte);
}
