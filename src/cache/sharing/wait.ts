import { GatewayError } from "../../errors.ts";
import type { Call } from "../../upstream.ts";

/** One caller's waits for what is done in another request's context. */
export interface Wait {
  /**
   * Until something is new. What comes back is a failure that ends the wait. Throws a `GatewayError`: `cancelled` where the
   * caller has left, `deadline_exceeded` where its own time is up.
   */
  news(): Promise<Error | undefined>;
  /** Ends the wait that it is in, in its own context. */
  wake(): void;
  /** Waits no more. */
  stop(): void;
}

export interface WaitOptions {
  readonly call: Call;
  /** The leader's time is kept by its own call. */
  readonly isLeader: boolean;
  /** Who is woken when something is new. */
  readonly waiting: Set<() => void>;
  /** After this nothing new comes any more, in Unix milliseconds. */
  readonly endsMs: () => number;
  readonly hasEnded: () => boolean;
}

/** A caller who waits, with a promise and a timer of its own. */
export function createWait({ call, isLeader, waiting, endsMs, hasEnded }: WaitOptions): Wait {
  let wake = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  let armedMs = Number.POSITIVE_INFINITY;

  /** Sets the timer where there is none yet, or where the end has come nearer: the leader has left. */
  function arm(): void {
    const limitMs = Math.min(call.deadlineMs, endsMs());
    if (isLeader || limitMs >= armedMs) return;
    if (timer !== undefined) clearTimeout(timer);
    armedMs = limitMs;
    timer = setTimeout(
      () => {
        armedMs = Number.POSITIVE_INFINITY;
        wake();
      },
      Math.max(0, limitMs - Date.now()),
    );
  }

  return {
    wake: () => wake(),
    stop() {
      if (timer !== undefined) clearTimeout(timer);
    },
    async news() {
      if (call.signal.aborted) throw callerLeft();
      arm();
      await new Promise<void>((resolve) => {
        wake = resolve;
        waiting.add(resolve);
      });
      if (call.signal.aborted) throw callerLeft();
      if (isLeader || hasEnded()) return undefined;
      const nowMs = Date.now();
      if (nowMs >= call.deadlineMs) throw timeUp();
      return nowMs >= endsMs() ? brokenOff() : undefined;
    },
  };
}

const callerLeft = () => new GatewayError("cancelled", "The caller left.");

const timeUp = () =>
  new GatewayError("deadline_exceeded", "The answer was not there in time.", { code: "upstream_timeout" });

/** The runtime has ended the leader without a word. */
export const brokenOff = () => new GatewayError("upstream_bad_response", "The AI provider's answer ended too early.");
