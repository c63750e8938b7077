import { setTimeout as sleep } from "node:timers/promises";
import { caller } from "../caller.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { connections, freshRequestsFrom, type Judged, judged, primaryAttempts } from "../requests.ts";
import type { Setting } from "../setting.ts";

export interface OutageTimes {
  readonly beforeMs: number;
  readonly outageMs: number;
  readonly afterMs: number;
  /** Between two requests. */
  readonly everyMs: number;
}

/** An answer with its times on the clock of `performance.now`. */
interface Timed extends Judged {
  readonly sentMs: number;
  readonly answeredMs: number;
}

/** The primary is down for a while, under a steady stream of requests. */
export async function outage(setting: Setting, times: OutageTimes): Promise<Outcome> {
  setting.order("primary", "up");
  setting.order("secondary", "up");
  const { ask, close } = caller(setting.port, connections);
  const next = freshRequestsFrom(2);
  const pending: Promise<Timed>[] = [];
  const downMs = performance.now() + times.beforeMs;
  const recoveredMs = downMs + times.outageMs;
  const endMs = recoveredMs + times.afterMs;
  let mode = "up";
  for (let dueMs = performance.now(); dueMs < endMs; dueMs += times.everyMs) {
    await sleep(Math.max(0, dueMs - performance.now()));
    const due = dueMs >= downMs && dueMs < recoveredMs ? "down" : "up";
    if (due !== mode) setting.order("primary", due);
    mode = due;
    const asked = next();
    const sentMs = performance.now();
    pending.push(
      ask(asked).then((answered) => ({ ...judged(asked, answered), sentMs, answeredMs: performance.now() })),
    );
  }
  const answers = await Promise.all(pending);
  close();

  const during = answers.filter(({ sentMs }) => sentMs >= downMs && sentMs < recoveredMs);
  const opened = during.findIndex(({ attempts }) => attempts.includes("primary:breaker_open"));
  const after = opened === -1 ? during : during.slice(opened);
  const tries = primaryAttempts(after);
  const back = answers.find(({ sentMs, attempts }) => sentMs >= recoveredMs && attempts.includes("primary:ok"));
  const backMs = back ? back.answeredMs - recoveredMs : Number.POSITIVE_INFINITY;
  return outcomeOf("primary down for a while", answers, {
    found: [
      opened === -1 ? "the breaker never opened" : `breaker open after ${opened} requests`,
      `${tries} attempts at the primary for the ${after.length} requests after that (${((tries / after.length) * 100).toFixed(1)} %)`,
      `back ${(backMs / 1000).toFixed(1)} s after its recovery`,
    ],
    promises: [
      { promise: "all answered", isKept: answers.every(({ verdict }) => verdict === "right") },
      {
        promise: "at most 5 % attempts at the primary once its breaker is open",
        isKept: opened !== -1 && tries <= 0.05 * after.length,
      },
      { promise: "back within 10 s", isKept: backMs <= 10_000 },
    ],
  });
}
