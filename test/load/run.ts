/** `npm run test:load`: the gateway in workerd under load, with back ends that go wrong; says which promise was broken. */
import { buildBundle } from "../../bench/bundle.ts";
import type { Attack } from "../attacks/attack.ts";
import { attacks } from "../attacks/attacks.ts";
import type { Outcome } from "./outcome.ts";
import { attacked } from "./phases/attacked.ts";
import { bothDown } from "./phases/both-down.ts";
import { leaving } from "./phases/leaving.ts";
import { mixed } from "./phases/mixed.ts";
import { outage } from "./phases/outage.ts";
import { sums, sumsOfLives, sumsSetting } from "./phases/sums.ts";
import { rpcsOf } from "./rpc-kinds.ts";
import { idleMs, inSetting, type Setting, type SettingOptions } from "./setting.ts";

const times = { beforeMs: 5_000, outageMs: 30_000, afterMs: 20_000, everyMs: 25 };
const openai: SettingOptions = { primary: "openai" };
const phases: readonly [SettingOptions, (setting: Setting) => Promise<Outcome>][] = [
  [openai, (setting) => mixed(setting, { phase: "mixed faults, OpenAI first", requests: 10_000, rpcs: rpcsOf.openai })],
  [
    { primary: "ai-service" },
    (setting) =>
      mixed(setting, { phase: "mixed faults, AI service first", requests: 10_000, rpcs: rpcsOf["ai-service"] }),
  ],
  [sumsSetting, (setting) => sums(setting, 20_000)],
  [sumsSetting, (setting) => sumsOfLives(setting, { deaths: 10, requests: 1_000 })],
  [openai, (setting) => attacked(setting, attacks.filter(isForAny))],
  [openai, (setting) => outage(setting, times)],
  [openai, (setting) => bothDown(setting, 2_000, 100)],
  [openai, (setting) => leaving(setting, { callers: 500, upstreams: "endless", how: "close", limitMs: 1_000 })],
  [openai, (setting) => leaving(setting, { callers: 500, upstreams: "mute", how: "reset", limitMs: 1_000 })],
  // workerd notices this only with the next byte, so the idle limit is what ends the call (docs/reliability.md).
  [openai, (setting) => leaving(setting, { callers: 500, upstreams: "mute", how: "close", limitMs: idleMs + 500 })],
];

/** Some need settings or providers of their own. */
function isForAny({ provider = "openai", settings }: Attack): boolean {
  return provider === "openai" && settings === undefined;
}

const { path } = buildBundle({ minify: true });
const outcomes: Outcome[] = [];
for (const [options, phase] of phases) outcomes.push(await inSetting(path, options, phase));

const rounded = (value: number | undefined) => value?.toFixed(0) ?? "";
console.log("| phase | requests | answers | requests/s | p50 ms | p99 ms | attempts at the primary | found |");
console.log("|---|---:|---|---:|---:|---:|---:|---|");
for (const outcome of outcomes) {
  const { phase, requests, verdicts, requestsPerSecond, p50Ms, p99Ms, primaryAttempts, found } = outcome;
  const answers = Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  const numbers = [requestsPerSecond, p50Ms, p99Ms, primaryAttempts].map(rounded);
  console.log(`| ${[phase, requests, answers.join(", "), ...numbers, found.join("; ")].join(" | ")} |`);
}
console.log("");
const seen = outcomes.flatMap(({ phase, promises }) => promises.map((kept) => ({ ...kept, phase })));
for (const [promise, phases] of Map.groupBy(seen, ({ promise }) => promise)) {
  const broken = phases.filter(({ isKept }) => !isKept).map(({ phase }) => phase);
  console.log(broken.length === 0 ? `ok     ${promise}` : `BROKEN ${promise}: ${broken.join("; ")}`);
}
process.exitCode = seen.every(({ isKept }) => isKept) ? 0 : 1;
