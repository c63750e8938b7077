import { begunKey } from "../answers.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { askAll, type Judged, mixedRequestsFrom } from "../requests.ts";
import { type RpcName, rpcKinds } from "../rpc-kinds.ts";
import type { Setting } from "../setting.ts";
import type { Report } from "../upstream.ts";

export interface Mix {
  readonly phase: string;
  readonly requests: number;
  /** What is asked for beside chat. */
  readonly rpcs: readonly RpcName[];
}

/** Both back ends with faults in a fifth of their answers. */
export async function mixed(setting: Setting, { phase, requests, rpcs }: Mix): Promise<Outcome> {
  setting.order("primary", "mixed");
  setting.order("secondary", "mixed");
  const { answers, elapsedMs } = await askAll(setting, requests, mixedRequestsFrom(1, rpcs));
  const { begun } = await setting.report();
  const cached = answers.filter(({ answered }) => answered?.headers["x-cache"] === "HIT").length;
  const shut = answers.filter(({ verdict, attempts }) => verdict === "refused" && attempts.some(isOpen)).length;
  const atomicBrokenOff = answers.filter(
    ({ asked, verdict }) => asked.delivery === "atomic" && verdict === "broken off",
  ).length;
  const long = answers.filter(isLong);
  const replayed = long.filter(({ answered }) => answered?.headers["idempotent-replayed"] === "true").length;
  const bySecond = long.filter(({ attempts }) => attempts.includes("secondary:ok")).length;
  return outcomeOf(phase, answers, {
    requestsPerSecond: (requests / elapsedMs) * 1000,
    found: [
      `${cached} from the cache`,
      `${shut} of the refused met an open breaker`,
      `${long.length} that take long: ${bySecond} by the second, ${replayed} under another's key`,
    ],
    promises: [
      { promise: "some from the cache", isKept: cached > 0 },
      { promise: "some replayed under a key, and some long ones by the second", isKept: replayed > 0 && bySecond > 0 },
      { promise: "nobody asked twice for what takes long", isKept: wereAskedOnce(long, begun) },
      { promise: "no atomic stream broken off", isKept: atomicBrokenOff === 0 },
    ],
  });
}

const isOpen = (attempt: string) => attempt.endsWith(":breaker_open");

const isLong = ({ asked: { rpc } }: Judged) => rpc !== undefined && rpcKinds[rpc].isLong;

/** Whether each provider has begun each once; where one who asks under a key is refused, the next asks anew. */
function wereAskedOnce(long: readonly Judged[], begun: Report["begun"]): boolean {
  const groups = Map.groupBy(long, ({ asked: { tenant, prompt } }) => JSON.stringify([tenant, prompt]));
  return [...groups.values()].every((group) => {
    const most = group.every(({ verdict }) => verdict === "right") ? 1 : group.length;
    return group.every(({ asked }) =>
      ["primary", "secondary"].every((provider) => (begun[begunKey({ ...asked, provider })] ?? 0) <= most),
    );
  });
}
