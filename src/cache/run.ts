import { GatewayError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { Call } from "../upstream.ts";

/** How a request ended that others wait for. */
export type Outcome =
  | { readonly generation: Generation }
  /** What all others are told too. */
  | { readonly error: GatewayError };

/**
 * A request that runs, for those who want the same answer. Each of them waits with a promise and a timer of its own: on
 * Workers whatever belongs to one request can end with it, without a word to the others (shared/platform.md).
 */
export interface Run {
  readonly fingerprint: string;
  /** After this it says nothing any more, in Unix milliseconds. */
  readonly endsMs: number;
  /** Undefined where it ended with nothing that holds for others: its caller left, or had less time than they. */
  end(outcome: Outcome | undefined): void;
  /** How it ends. Throws a `GatewayError`: `cancelled` where the waiting caller leaves, `deadline_exceeded` where its time is up. */
  outcome(call: Call): Promise<Outcome | undefined>;
}

export function startRun(fingerprint: string, endsMs: number): Run {
  const waiting = new Set<(outcome: Outcome | undefined) => void>();
  return {
    fingerprint,
    endsMs,
    end(outcome) {
      for (const tell of waiting) tell(outcome);
      waiting.clear();
    },
    async outcome({ signal, deadlineMs }) {
      const { promise, resolve } = Promise.withResolvers<Outcome | undefined>();
      const giveUp = () => resolve(undefined);
      const timer = setTimeout(giveUp, Math.min(deadlineMs, endsMs) - Date.now());
      signal.addEventListener("abort", giveUp);
      waiting.add(resolve);
      if (signal.aborted) giveUp();
      const outcome = await promise;
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      waiting.delete(resolve);
      if (signal.aborted) throw new GatewayError("cancelled", "The caller left.");
      if (!outcome && Date.now() >= deadlineMs) {
        throw new GatewayError("deadline_exceeded", "The answer was not there in time.", { code: "upstream_timeout" });
      }
      return outcome;
    },
  };
}
