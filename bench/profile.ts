/**
 * `npm run profile [-- WORKER [burst | paced]] [-- --unique] [-- --top 40]`: where a request's CPU time goes, by file and by
 * function, from V8's sampling profiler. WORKER is openai (the default), aiService, cached (hits; with --unique, misses),
 * kvCached, openaiBatched, aiServiceBatched or, to compare with, floor.
 */
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { parseArgs } from "node:util";
import { bodyOf, groupsOf } from "./cases.ts";
import { type CallFrame, type Profile, profileWhile } from "./inspector.ts";
import { load } from "./load.ts";
import { startMock } from "./mock-process.ts";
import { streams } from "./payload.ts";
import { startWorker } from "./workerd.ts";
import { buildScripts, chatPath, isProfiled, profiled, requestHeaders, workerOptions } from "./workers.ts";

const { values: options, positionals } = parseArgs({
  options: { top: { type: "string", default: "40" }, unique: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [name = "openai", stream] = positionals;
if (!isProfiled(name)) throw new Error(`choose one of ${profiled.join(", ")}`);
const group = groupsOf({ peers: false }).find((each) => each.stream === stream);
if (!group) throw new Error("a stream is burst or paced");
const each = { name, worker: name, isUnique: options.unique };
const requests = 4 * group.requests;

const { scripts } = buildScripts({ minify: false });
const mock = await startMock();
const run = async (port: number) => {
  const { connections } = group;
  const headers = requestHeaders(name, mock.port);
  await load({ port, path: chatPath, headers, bodyOf: () => bodyOf(group, each), connections, requests });
};

const worker = await startWorker({ ...workerOptions(name, scripts, mock.port), inspect: true });
await run(worker.port);
const usedMicroseconds = worker.cpuMicroseconds();
await run(worker.port);
const perRequest = (worker.cpuMicroseconds() - usedMicroseconds) / requests;
const tokens = group.stream ? streams[group.stream].pieces.length : 0;
const perToken = tokens > 0 ? `, ${(perRequest / tokens).toFixed(1)} us per token (${tokens})` : "";
console.log(`the process, while nobody samples it: ${perRequest.toFixed(0)} us per request${perToken}`);
const profile = await profileWhile(worker.inspectorPort ?? 0, () => run(worker.port));
await worker.stop();
mock.stop();

const { script } = workerOptions(name, scripts, mock.port);
const map = new SourceMap(JSON.parse(readFileSync(`${script}.map`, "utf8")));

/** Where a function stands in the sources; V8's own work and the runtime's native functions have no place. */
function placeOf({ url, lineNumber, columnNumber }: CallFrame): string | undefined {
  if (url === "") return undefined;
  // The runtime's own modules, such as node-internal:internal_timers.
  if (!url.endsWith("main.js")) return url;
  const entry = map.findEntry(lineNumber, columnNumber);
  if (!("originalSource" in entry)) return "(bundle)";
  const file = entry.originalSource.replace(/^(\.\.\/)+/, "").replace(/^.*\/(?=src\/|bench\/|node_modules\/)/, "");
  return `${file}:${entry.originalLine + 1}`;
}

const fileOf = (frame: CallFrame) => placeOf(frame)?.replace(/:\d+$/, "") ?? "(runtime)";

/** The runtime's own functions are told apart by who calls them. */
function functionOf(frame: CallFrame, caller?: CallFrame): string {
  const named = frame.functionName || "(anonymous)";
  const place = placeOf(frame);
  if (place !== undefined) return `${named} ${place}`;
  return caller && placeOf(caller) !== undefined ? `${named} < ${functionOf(caller)}` : named;
}

interface Cost {
  selfMicroseconds: number;
  /** With everything that it called. A function after an `await` is called by nobody. */
  totalMicroseconds: number;
}

/** Sums the samples by what `keyOf` makes of a function and its caller. */
function costs(
  { nodes, samples, timeDeltas }: Profile,
  keyOf: (frame: CallFrame, caller?: CallFrame) => string,
): Map<string, Cost> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));
  const keys = new Map(nodes.map(({ id, callFrame }) => [id, keyOf(callFrame, parents.get(id)?.callFrame)]));
  const sums = new Map<string, Cost>();
  for (const [index, sample] of samples.entries()) {
    const spent = timeDeltas[index] ?? 0;
    if (byId.get(sample)?.callFrame.functionName === "(idle)") continue;
    const seen = new Set<string>();
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)?.id) {
      const key = keys.get(id) ?? "";
      const cost = sums.get(key) ?? { selfMicroseconds: 0, totalMicroseconds: 0 };
      if (id === sample) cost.selfMicroseconds += spent;
      if (!seen.has(key)) cost.totalMicroseconds += spent;
      seen.add(key);
      sums.set(key, cost);
    }
  }
  return sums;
}

function print(title: string, sums: Map<string, Cost>): void {
  console.log(`\nus per request (${requests} requests)\n    self    total  ${title}`);
  const cell = (microseconds: number) => (microseconds / requests).toFixed(1).padStart(8);
  const rows = [...sums]
    .toSorted(([, a], [, b]) => b.selfMicroseconds - a.selfMicroseconds)
    .slice(0, Number(options.top));
  for (const [key, { selfMicroseconds, totalMicroseconds }] of rows) {
    console.log(`${cell(selfMicroseconds)} ${cell(totalMicroseconds)}  ${key}`);
  }
}

print("file", costs(profile, fileOf));
print("function", costs(profile, functionOf));
