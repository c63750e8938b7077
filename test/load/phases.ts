import { setTimeout as sleep } from "node:timers/promises";
import { marker } from "../upstreams/texts.ts";
import { promptMark } from "./answers.ts";
import { type Answered, type Asked, caller, keyMark } from "./caller.ts";
import { dice } from "./dice.ts";
import { brokenPromises, judge, type Verdict } from "./judge.ts";
import { type Setting, tenants } from "./setting.ts";

/** What a phase came to. */
export interface Outcome {
  readonly phase: string;
  readonly requests: number;
  readonly verdicts: Readonly<Partial<Record<Verdict, number>>>;
  readonly requestsPerSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** What was measured besides, in words. */
  readonly found: readonly string[];
  /** The promises that it broke. */
  readonly broken: readonly string[];
}

const connections = 50;

/** The nth request of a run: tenants, prompts that they share, plain or streamed, with and without the cache. */
function requestsFrom(seed: number): () => Asked {
  const roll = dice(seed);
  return () => ({
    tenant: roll.pick(tenants),
    prompt: `${promptMark} ${Math.floor(roll() * 2_000)}`,
    stream: roll() < 0.5,
    mayBeCached: roll() < 0.5,
  });
}

/** One that no cache answers. */
const fresh = (next: () => Asked): Asked => ({ ...next(), mayBeCached: false });

/** Both back ends with faults in a fifth of their answers. */
export async function mixed(setting: Setting, phase: string, requests: number): Promise<Outcome> {
  setting.order("primary", "mixed");
  setting.order("secondary", "mixed");
  const next = requestsFrom(1);
  const { answers, elapsedMs } = await askAll(setting, requests, next);
  const cached = answers.filter(({ answered }) => answered?.headers["x-cache"] === "HIT").length;
  const outcome = summed(phase, setting, answers, [`${cached} of them from the cache`]);
  return { ...outcome, requestsPerSecond: (requests / elapsedMs) * 1000 };
}

export interface OutageTimes {
  readonly beforeMs: number;
  readonly outageMs: number;
  readonly afterMs: number;
  /** Between two requests. */
  readonly everyMs: number;
}

/** The primary is down for a while, under a steady stream of requests. */
export async function outage(setting: Setting, times: OutageTimes): Promise<Outcome> {
  setting.order("primary", "up");
  setting.order("secondary", "up");
  const { ask, close } = caller(setting.port, connections);
  const next = requestsFrom(2);
  const pending: Promise<Judged & { readonly sentMs: number }>[] = [];
  const startedMs = performance.now();
  const downMs = startedMs + times.beforeMs;
  const recoveredMs = downMs + times.outageMs;
  const endMs = recoveredMs + times.afterMs;
  let mode = "up";
  for (let dueMs = startedMs; dueMs < endMs; dueMs += times.everyMs) {
    await sleep(Math.max(0, dueMs - performance.now()));
    const due = dueMs >= downMs && dueMs < recoveredMs ? "down" : "up";
    if (due !== mode) setting.order("primary", due);
    mode = due;
    const asked = fresh(next);
    const sentMs = performance.now();
    pending.push(ask(asked).then((answered) => ({ ...judged(asked, answered), sentMs })));
  }
  const answers = await Promise.all(pending);
  close();

  const during = answers.filter(({ sentMs }) => sentMs >= downMs && sentMs < recoveredMs);
  const firstSkipped = during.findIndex(({ attempts }) => attempts.includes("primary:breaker_open"));
  const protectedOnes = during.slice(firstSkipped);
  const tries = protectedOnes.filter(({ attempts }) => /primary:(?!breaker_open)/.test(attempts)).length;
  const share = tries / protectedOnes.length;
  const back = answers.find(({ sentMs, attempts }) => sentMs >= recoveredMs && attempts.includes("primary:ok"));
  const backMs = back ? back.sentMs - recoveredMs : Number.POSITIVE_INFINITY;
  const outcome = summed("primary down", setting, answers, [
    `${firstSkipped} requests until the breaker opened`,
    `${tries} of the ${protectedOnes.length} after that tried the primary (${(share * 100).toFixed(1)} %)`,
    `back ${(backMs / 1000).toFixed(1)} s after its recovery`,
  ]);
  return {
    ...outcome,
    broken: [
      ...outcome.broken,
      ...(answers.every(({ verdict }) => verdict === "right") ? [] : ["all answered"]),
      ...(firstSkipped >= 0 && share <= 0.05 ? [] : ["at most 5 % of the attempts at the primary"]),
      ...(backMs <= 10_000 ? [] : ["back within 10 s"]),
    ],
  };
}

/** Nobody answers; measured once both breakers are open. */
export async function bothDown(setting: Setting, requests: number): Promise<Outcome> {
  setting.order("primary", "down");
  setting.order("secondary", "down");
  const next = requestsFrom(3);
  const { ask, close } = caller(setting.port, connections);
  const isOpen = ({ attempts }: Judged) => attempts === "primary:breaker_open, secondary:breaker_open";
  for (let index = 0; index < 100; index++) {
    const asked = fresh(next);
    if (isOpen(judged(asked, await ask(asked)))) break;
  }
  close();
  const { answers } = await askAll(setting, requests, () => fresh(next));
  const outcome = summed("both down", setting, answers, [`${answers.filter(isOpen).length} with both breakers open`]);
  const areAll503 = answers.every(({ answered }) => answered?.status === 503 && answered.headers["retry-after"]);
  return {
    ...outcome,
    broken: [
      ...outcome.broken,
      ...(areAll503 ? [] : ["well-formed 503s"]),
      ...(outcome.p99Ms !== undefined && outcome.p99Ms < 100 ? [] : ["p99 under 100 ms"]),
    ],
  };
}

/** Callers who read the first token of an endless stream and then break their connection. */
export async function leaving(setting: Setting, callers: number): Promise<Outcome> {
  setting.order("primary", "endless");
  setting.order("secondary", "endless");
  const next = requestsFrom(4);
  const { askAndLeave, close } = caller(setting.port, connections);
  await Promise.all(Array.from({ length: callers }, () => askAndLeave({ ...fresh(next), stream: true })));
  const leftMs = performance.now();
  let { open } = await setting.report();
  while (open > 0 && performance.now() - leftMs < 5_000) ({ open } = await setting.report());
  const closedMs = performance.now() - leftMs;
  close();
  return {
    phase: "callers leave",
    requests: callers,
    verdicts: {},
    found: [`${open} upstream calls left ${closedMs.toFixed(0)} ms after the last of them`],
    broken: open === 0 && closedMs < 1_000 ? [] : ["all upstream sockets closed within a second"],
  };
}

interface Judged {
  readonly answered?: Answered;
  readonly verdict: Verdict;
  readonly attempts: string;
}

function judged(asked: Asked, answered: Answered | undefined): Judged {
  const attempts = String(answered?.headers["x-qingyu-attempts"] ?? "");
  return { answered, verdict: judge(asked, answered, tenants), attempts };
}

/** As fast as they are answered, over all connections. */
async function askAll(
  { port }: Setting,
  requests: number,
  next: () => Asked,
): Promise<{ answers: Judged[]; elapsedMs: number }> {
  const { ask, close } = caller(port, connections);
  const answers: Judged[] = [];
  const startedMs = performance.now();
  let left = requests;
  const run = async () => {
    while (left-- > 0) {
      const asked = next();
      answers.push(judged(asked, await ask(asked)));
    }
  };
  await Promise.all(Array.from({ length: connections }, run));
  close();
  return { answers, elapsedMs: performance.now() - startedMs };
}

function summed(phase: string, setting: Setting, answers: readonly Judged[], found: readonly string[]): Outcome {
  const groups = Map.groupBy(answers, ({ verdict }) => verdict);
  const tookMs = answers.map(({ answered }) => answered?.tookMs ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);
  const broken: string[] = brokenPromises.filter((verdict) => groups.has(verdict)).map((verdict) => `none ${verdict}`);
  for (const secret of [promptMark, marker, keyMark])
    if (setting.log().includes(secret)) broken.push("no secret in the log");
  return {
    phase,
    requests: answers.length,
    verdicts: Object.fromEntries([...groups].map(([verdict, { length }]) => [verdict, length])),
    p50Ms: tookMs[Math.floor(answers.length * 0.5)],
    p99Ms: tookMs[Math.floor(answers.length * 0.99)],
    found,
    broken,
  };
}
