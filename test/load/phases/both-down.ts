import { caller } from "../caller.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { askAll, freshRequestsFrom, type Judged, judged } from "../requests.ts";
import type { Setting } from "../setting.ts";

/** More than the breakers need to open. */
const warmUpRequests = 100;

/** Nobody answers; measured once both breakers are open. */
export async function bothDown(setting: Setting, requests: number, p99LimitMs: number): Promise<Outcome> {
  setting.order("primary", "down");
  setting.order("secondary", "down");
  const next = freshRequestsFrom(3);
  const { ask, close } = caller(setting.port, 1);
  for (let index = 0; index < warmUpRequests; index++) {
    const asked = next();
    if (isShut(judged(asked, await ask(asked)))) break;
  }
  close();
  const { answers, elapsedMs } = await askAll(setting, requests, next);
  const outcome = outcomeOf("both down", answers, {
    requestsPerSecond: (requests / elapsedMs) * 1000,
    found: [`${answers.filter(isShut).length} with both breakers open`],
    promises: [
      {
        promise: "all 503 with Retry-After",
        isKept: answers.every(({ verdict, answered }) => verdict === "refused" && answered?.status === 503),
      },
      { promise: "breakers open", isKept: answers.some(isShut) },
    ],
  });
  const isQuick = outcome.p99Ms !== undefined && outcome.p99Ms < p99LimitMs;
  return { ...outcome, promises: [...outcome.promises, { promise: `p99 under ${p99LimitMs} ms`, isKept: isQuick }] };
}

const isShut = ({ attempts }: Judged) => attempts.every((attempt) => attempt.endsWith(":breaker_open"));
