import { caller, type Leaving } from "../caller.ts";
import type { Outcome } from "../outcome.ts";
import { connections, freshRequestsFrom } from "../requests.ts";
import type { Setting } from "../setting.ts";

export interface Departure {
  readonly callers: number;
  /** Whether the back ends talk on, or have fallen silent after the first tokens. */
  readonly upstreams: "endless" | "mute";
  readonly how: Leaving;
  /** How long after the last caller has left the last upstream call may still be open. */
  readonly limitMs: number;
}

/** Callers who read the first token of a live stream and go. */
export async function leaving(setting: Setting, { callers, upstreams, how, limitMs }: Departure): Promise<Outcome> {
  setting.order("primary", upstreams);
  setting.order("secondary", upstreams);
  const next = freshRequestsFrom(4);
  const { askAndLeave, close } = caller(setting.port, connections);
  const asked = Array.from({ length: callers }, () => askAndLeave({ ...next(), delivery: "live" }, how));
  const begun = (await Promise.all(asked)).filter((hadToken) => hadToken).length;
  const leftMs = performance.now();
  let { open } = await setting.report();
  while (open > 0 && performance.now() - leftMs < 2 * limitMs) ({ open } = await setting.report());
  const closedMs = performance.now() - leftMs;
  const { visits } = await setting.report();
  close();
  return {
    phase: `callers ${how}, ${upstreams} streams`,
    requests: callers,
    verdicts: {},
    primaryAttempts: visits.primary,
    found: [`${open} upstream calls left ${closedMs.toFixed(0)} ms after the last of them`],
    promises: [
      { promise: "each had a token", isKept: begun === callers },
      { promise: `all upstream calls closed within ${limitMs} ms`, isKept: open === 0 && closedMs < limitMs },
    ],
  };
}
