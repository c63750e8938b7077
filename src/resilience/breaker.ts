import type { BreakerState } from "../upstream.ts";

/** Opens on so many failures in a row, */
const failuresInRow = 5;
/** or when half of at least so many outcomes within the window are failures. */
const leastOutcomes = 20;
const windowSeconds = 10;
/** How long it stays open before one request may try. */
const halfOpenAfterMs = 15_000;

/** The right to ask a provider once. Exactly one outcome counts; any later one is ignored. */
export interface Permit {
  /** Whether it is the one request that tries whether the provider is back. */
  readonly isProbe: boolean;
  succeed(): void;
  fail(): void;
  /** Ends it without a word about the provider. */
  release(): void;
}

/** Keeps requests from a provider that fails (docs/reliability.md). */
export interface Breaker {
  readonly state: () => BreakerState;
  /** Undefined where the provider must be left alone. */
  readonly take: () => Permit | undefined;
  /** How long until a probe may go, in milliseconds; 0 where it may. */
  readonly waitMs: () => number;
}

export interface BreakerOptions {
  /** A probe that has said nothing for so long is given up: the runtime can end a request without a word. */
  readonly probeLimitMs: number;
  readonly onChange: (state: "open" | "closed") => void;
}

/**
 * Begins closed. Not a library's breaker: cockatiel's lets other calls wait for the probe's promise, which belongs to
 * another request and on Workers may never settle, reads the clock itself, and knows one rule for opening at a time.
 */
export function createBreaker({ probeLimitMs, onChange }: BreakerOptions): Breaker {
  let openedMs: number | undefined;
  let probeEndsMs = 0;
  /** Outcomes belong to the period in which their request began; those of earlier ones come too late. */
  let period = 0;
  let inRow = 0;
  let outcomes = slidingOutcomes();

  const change = (state: "open" | "closed") => {
    openedMs = state === "open" ? Date.now() : undefined;
    probeEndsMs = 0;
    period++;
    inRow = 0;
    outcomes = slidingOutcomes();
    onChange(state);
  };
  const count = (isFailure: boolean) => {
    inRow = isFailure ? inRow + 1 : 0;
    const { total, failures } = outcomes.add(Date.now(), isFailure);
    if (inRow >= failuresInRow || (total >= leastOutcomes && failures * 2 >= total)) change("open");
  };
  const permit = (isProbe: boolean): Permit => {
    let begunIn: number | undefined = period;
    const once = (settle: () => void) => () => {
      if (begunIn === period) settle();
      begunIn = undefined;
    };
    return {
      isProbe,
      succeed: once(() => (isProbe ? change("closed") : count(false))),
      fail: once(() => (isProbe ? change("open") : count(true))),
      release: once(() => {
        if (isProbe) probeEndsMs = 0;
      }),
    };
  };
  const waitMs = () => {
    if (openedMs === undefined) return 0;
    return Math.max(0, Math.max(openedMs + halfOpenAfterMs, probeEndsMs) - Date.now());
  };
  return {
    state() {
      if (openedMs === undefined) return "closed";
      return Date.now() < openedMs + halfOpenAfterMs ? "open" : "half_open";
    },
    take() {
      if (openedMs === undefined) return permit(false);
      if (waitMs() > 0) return undefined;
      probeEndsMs = Date.now() + probeLimitMs;
      return permit(true);
    },
    waitMs,
  };
}

/** Counts outcomes of the last `windowSeconds`, second by second. */
function slidingOutcomes() {
  let seconds: { readonly second: number; total: number; failures: number }[] = [];
  return {
    add(nowMs: number, isFailure: boolean) {
      const second = Math.floor(nowMs / 1000);
      let last = seconds.at(-1);
      if (last?.second !== second) {
        last = { second, total: 0, failures: 0 };
        seconds = [...seconds.filter((old) => old.second > second - windowSeconds), last];
      }
      last.total++;
      if (isFailure) last.failures++;
      let [total, failures] = [0, 0];
      for (const counted of seconds) {
        total += counted.total;
        failures += counted.failures;
      }
      return { total, failures };
    },
  };
}
