/**
 * `npm run profile [-- PATH] [-- --top 40]`: where a request's CPU time goes in the gateway, by file and by function, from
 * V8's sampling profiler. PATH is openai, miss, hit, ai-service, stream or ai-service-stream.
 */
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { parseArgs } from "node:util";
import { buildBundle } from "./bundle.ts";
import { chatPath, gatewaySettings, requestHeaders, variants } from "./cases.ts";
import { type CallFrame, type Profile, profileWhile } from "./inspector.ts";
import { load } from "./load.ts";
import { startMock } from "./mock-process.ts";
import { requestBody } from "./payload.ts";
import { startWorker } from "./workerd.ts";

const { values: options, positionals } = parseArgs({
  options: { top: { type: "string", default: "40" } },
  allowPositionals: true,
});
interface Path {
  readonly variant: keyof typeof variants;
  readonly stream?: boolean;
  /** Every request differs from all before. */
  readonly isUnique?: boolean;
}
const paths: Readonly<Record<string, Path>> = {
  openai: { variant: "openai" },
  miss: { variant: "cached", isUnique: true },
  hit: { variant: "cached" },
  "ai-service": { variant: "aiService" },
  stream: { variant: "openai", stream: true },
  "ai-service-stream": { variant: "aiService", stream: true },
};
const path = paths[positionals[0] ?? "openai"];
if (!path) throw new Error(`choose one of ${Object.keys(paths).join(", ")}`);
const { variant, stream = false, isUnique = false } = path;
const requests = stream ? 500 : 8000;

const bundle = buildBundle({ minify: false });
const mock = await startMock();
const worker = await startWorker({
  script: bundle.path,
  inspect: true,
  readyPath: "/health/live",
  bindings: { ...gatewaySettings(mock.port), ...variants[variant] },
});
let unique = 1;
const run = (count: number) =>
  load({
    port: worker.port,
    path: chatPath,
    headers: requestHeaders,
    bodyOf: () => requestBody(isUnique ? unique++ : 0, stream),
    connections: 16,
    requests: count,
  });
await run(requests / 2);
const profile = await profileWhile(worker.inspectorPort ?? 0, () => run(requests));
await worker.stop();
mock.stop();

const map = new SourceMap(JSON.parse(readFileSync(`${bundle.path}.map`, "utf8")));

/** Where a function stands in the sources; V8's own work and the runtime's functions have no place. */
function placeOf({ url, lineNumber, columnNumber }: CallFrame): { file: string; line?: number } {
  if (url === "") return { file: "(runtime)" };
  const entry = map.findEntry(lineNumber, columnNumber);
  if (!("originalSource" in entry)) return { file: "(bundle)" };
  return {
    file: entry.originalSource.replace(/^(\.\.\/)+/, "").replace(/^.*\/(?=src\/|node_modules\/)/, ""),
    line: entry.originalLine + 1,
  };
}

interface Cost {
  selfMicroseconds: number;
  /** With everything that it called. A function after an `await` is called by nobody. */
  totalMicroseconds: number;
}

/** Sums the samples by what `keyOf` makes of a function. */
function costs({ nodes, samples, timeDeltas }: Profile, keyOf: (frame: CallFrame) => string): Map<string, Cost> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const sums = new Map<string, Cost>();
  for (const [index, sample] of samples.entries()) {
    const spent = timeDeltas[index] ?? 0;
    const seen = new Set<string>();
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      const node = byId.get(id);
      if (!node) break;
      const key = keyOf(node.callFrame);
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
  const perRequest = (microseconds: number) => (microseconds / requests).toFixed(1).padStart(8);
  const rows = [...sums]
    .toSorted(([, a], [, b]) => b.selfMicroseconds - a.selfMicroseconds)
    .slice(0, Number(options.top));
  for (const [name, { selfMicroseconds, totalMicroseconds }] of rows) {
    console.log(`${perRequest(selfMicroseconds)} ${perRequest(totalMicroseconds)}  ${name}`);
  }
}

print(
  "file",
  costs(profile, (frame) => placeOf(frame).file),
);
print(
  "function",
  costs(profile, (frame) => {
    const { file, line } = placeOf(frame);
    return `${frame.functionName || "(anonymous)"} ${file}${line === undefined ? "" : `:${line}`}`;
  }),
);
