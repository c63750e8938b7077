import { settlesWithin } from "../waiting.ts";

/** Why an attempt was given up that another one overtook. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

export interface HedgeOptions {
  /** How long the first one is waited for alone. */
  readonly afterMs: number;
  /** Whether a second one may start now. */
  readonly mayStart: () => boolean;
  /** Of the caller; both end with it. */
  readonly signal: AbortSignal;
}

interface Lane<T> {
  readonly answer: Promise<T | undefined>;
  readonly abort: () => void;
}

/**
 * Asks, and where no answer has come after a while asks once more beside it. The first answer wins and the other one's
 * signal is aborted with `Superseded`. `ask` gives undefined where it has nobody left to ask: then the other one decides.
 * Throws what either of them throws first.
 */
export async function hedged<T>(
  ask: (signal: AbortSignal) => Promise<T | undefined>,
  { afterMs, mayStart, signal }: HedgeOptions,
): Promise<T | undefined> {
  const start = (): Lane<T> => {
    const lane = new AbortController();
    return {
      answer: ask(AbortSignal.any([signal, lane.signal])),
      abort: () => lane.abort(new Superseded("another attempt was faster")),
    };
  };
  const first = start();
  if ((await settlesWithin(first.answer, afterMs)) || !mayStart()) return await first.answer;
  return await faster(first, start());
}

async function faster<T>(one: Lane<T>, two: Lane<T>): Promise<T | undefined> {
  const outcomes = [
    { lane: one, other: two },
    { lane: two, other: one },
  ].map(async ({ lane, other }) => ({ answer: await lane.answer, other }));
  try {
    const { answer, other } = await Promise.race(outcomes);
    if (answer === undefined) return await other.answer;
    other.abort();
    return answer;
  } catch (error) {
    one.abort();
    two.abort();
    throw error;
  }
}
