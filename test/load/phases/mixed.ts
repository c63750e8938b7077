import { type Outcome, outcomeOf } from "../outcome.ts";
import { askAll, requestsFrom } from "../requests.ts";
import type { Setting } from "../setting.ts";

/** Both back ends with faults in a fifth of their answers. */
export async function mixed(setting: Setting, phase: string, requests: number): Promise<Outcome> {
  setting.order("primary", "mixed");
  setting.order("secondary", "mixed");
  const { answers, elapsedMs } = await askAll(setting, requests, requestsFrom(1));
  const cached = answers.filter(({ answered }) => answered?.headers["x-cache"] === "HIT").length;
  const shut = answers.filter(({ verdict, attempts }) => verdict === "refused" && attempts.some(isOpen)).length;
  const atomicBrokenOff = answers.filter(
    ({ asked, verdict }) => asked.delivery === "atomic" && verdict === "broken off",
  ).length;
  return outcomeOf(phase, answers, {
    requestsPerSecond: (requests / elapsedMs) * 1000,
    found: [`${cached} from the cache`, `${shut} of the refused met an open breaker`],
    promises: [
      { promise: "some from the cache", isKept: cached > 0 },
      { promise: "no atomic stream broken off", isKept: atomicBrokenOff === 0 },
    ],
  });
}

const isOpen = (attempt: string) => attempt.endsWith(":breaker_open");
