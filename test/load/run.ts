/** `npm run test:load`: the gateway in workerd under load, with back ends that go wrong; says which promise was broken. */
import { buildBundle } from "../../bench/bundle.ts";
import { bothDown, leaving, mixed, type Outcome, outage } from "./phases.ts";
import { startSetting } from "./setting.ts";

const { path } = buildBundle({ minify: true });
const outcomes: Outcome[] = [];
for (const kind of ["openai", "ai-service"] as const) {
  const setting = await startSetting(path, { primary: kind });
  outcomes.push(await mixed(setting, `mixed faults, ${kind} first`, 10_000));
  await setting.stop();
}
// A gateway of its own for each, since breakers remember.
const times = { beforeMs: 5_000, outageMs: 30_000, afterMs: 20_000, everyMs: 25 };
const phases = [
  (setting: Awaited<ReturnType<typeof startSetting>>) => outage(setting, times),
  (setting: Awaited<ReturnType<typeof startSetting>>) => bothDown(setting, 2_000),
  (setting: Awaited<ReturnType<typeof startSetting>>) => leaving(setting, 500),
];
for (const phase of phases) {
  const setting = await startSetting(path, { primary: "openai" });
  outcomes.push(await phase(setting));
  await setting.stop();
}

const rounded = (value: number | undefined) => (value === undefined ? "" : value.toFixed(0));
console.log("| phase | requests | answers | requests/s | p50 ms | p99 ms | found |\n|---|---:|---|---:|---:|---:|---|");
for (const { phase, requests, verdicts, requestsPerSecond, p50Ms, p99Ms, found } of outcomes) {
  const answers = Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  const cells = [
    phase,
    requests,
    answers.join(", "),
    rounded(requestsPerSecond),
    rounded(p50Ms),
    rounded(p99Ms),
    found.join("; "),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
const broken = outcomes.flatMap(({ phase, broken }) => broken.map((promise) => `BROKEN ${phase}: ${promise}`));
console.log(broken.length === 0 ? "\nEvery promise was kept." : `\n${broken.join("\n")}`);
process.exitCode = broken.length === 0 ? 0 : 1;
