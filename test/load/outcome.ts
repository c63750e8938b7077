import { brokenPromises, type Verdict } from "./judge.ts";
import { type Judged, primaryAttempts } from "./requests.ts";

/** A promise of the gateway, and whether a phase has seen it kept. */
export interface Kept {
  readonly promise: string;
  readonly isKept: boolean;
}

/** What a phase came to. */
export interface Outcome {
  readonly phase: string;
  readonly requests: number;
  readonly verdicts: Readonly<Partial<Record<Verdict, number>>>;
  readonly requestsPerSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly primaryAttempts?: number;
  /** What was measured besides, in words. */
  readonly found: readonly string[];
  readonly promises: readonly Kept[];
}

/** What the answers of a phase came to, with the promises that hold for every answer. */
export function outcomeOf(
  phase: string,
  answers: readonly Judged[],
  more: { readonly found: readonly string[]; readonly promises: readonly Kept[]; readonly requestsPerSecond?: number },
): Outcome {
  const groups = Map.groupBy(answers, ({ verdict }) => verdict);
  const tookMs = answers.map(({ answered }) => answered?.tookMs ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);
  const always = brokenPromises.map((verdict) => ({ promise: `none ${verdict}`, isKept: !groups.has(verdict) }));
  return {
    ...more,
    phase,
    requests: answers.length,
    verdicts: Object.fromEntries([...groups].map(([verdict, { length }]) => [verdict, length])),
    p50Ms: tookMs[Math.floor(answers.length * 0.5)],
    p99Ms: tookMs[Math.floor(answers.length * 0.99)],
    primaryAttempts: primaryAttempts(answers),
    promises: [...always, ...more.promises],
  };
}
