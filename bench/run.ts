/** `npm run bench [-- --quick]`: the gateway in workerd beside bare workers, in one interleaved run on loopback. */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { load, type Sample } from "./load.ts";
import { requestBody } from "./payload.ts";
import { startWorker, type Worker } from "./workerd.ts";

const isQuick = process.argv.includes("--quick");
const rounds = isQuick ? 2 : 5;
/** A stream is some eighty events long. */
const shareOfStreams = 1 / 8;
const requestsPerRound = { 1: isQuick ? 200 : 400, 16: isQuick ? 1000 : 2000, 64: isQuick ? 1000 : 2000 } as const;
const chat = "/v1/chat/completions";
const key = "bench-key";

const bundle = build();
const mock = spawn(process.execPath, [join(import.meta.dirname, "mock.ts")], { stdio: ["ignore", "pipe", "inherit"] });
const [printed] = await once(mock.stdout, "data");
const upstream = `http://127.0.0.1:${Number(String(printed))}`;

const gatewaySettings = {
  ENVIRONMENT: "development",
  GATEWAY_API_KEYS: `bench:${createHash("sha256").update(key).digest("hex")}`,
  OPENAI_API_KEY: "mock",
  OPENAI_BASE_URL: `${upstream}/v1`,
  PYTHON_AI_SERVICE_URL: upstream,
};
const gateway = (settings: Record<string, string>) =>
  startWorker({ script: bundle.path, bindings: { ...gatewaySettings, ...settings }, readyPath: "/health/live" });
const bare = (name: string) =>
  startWorker({ script: join(import.meta.dirname, "workers", name), bindings: { UPSTREAM: upstream }, readyPath: "/" });

const workers = {
  forward: await bare("forward.js"),
  jsonForward: await bare("json-forward.js"),
  kvReader: await bare("kv-reader.js"),
  uncached: await gateway({ AI_PROVIDERS: "openai", QINGYU_CACHE_ENABLED: "false" }),
  cached: await gateway({ AI_PROVIDERS: "openai" }),
  aiService: await gateway({ AI_PROVIDERS: "ai-service", QINGYU_CACHE_ENABLED: "false" }),
};

interface Case {
  readonly name: string;
  readonly worker: Worker;
  /** The case that it is measured against. */
  readonly beside?: string;
  readonly stream?: boolean;
  /** Every request differs from all before. */
  readonly isUnique?: boolean;
}

const cases: readonly Case[] = [
  { name: "bare forwarder", worker: workers.forward },
  { name: "bare JSON forwarder", worker: workers.jsonForward, beside: "bare forwarder" },
  { name: "OpenAI, cache off", worker: workers.uncached, beside: "bare forwarder" },
  { name: "OpenAI, cache miss", worker: workers.cached, beside: "bare forwarder", isUnique: true },
  { name: "AI service, Connect", worker: workers.aiService, beside: "bare forwarder" },
  { name: "bare KV reader", worker: workers.kvReader },
  { name: "cache hit", worker: workers.cached, beside: "bare KV reader" },
  { name: "bare stream", worker: workers.forward, stream: true },
  { name: "OpenAI stream", worker: workers.uncached, beside: "bare stream", stream: true },
];

interface Result {
  readonly samples: Sample[];
  elapsedMs: number;
  cpuMicroseconds: number;
}

let unique = 1;

async function measure({ worker, stream, isUnique }: Case, connections: number, requests: number): Promise<Result> {
  const cpuBefore = worker.cpuMicroseconds();
  const { samples, elapsedMs } = await load({
    port: worker.port,
    path: chat,
    headers: `authorization: Bearer ${key}\r\n`,
    bodyOf: () => requestBody(isUnique ? unique++ : 0, stream ?? false),
    connections,
    requests,
  });
  return { samples, elapsedMs, cpuMicroseconds: worker.cpuMicroseconds() - cpuBefore };
}

function requestsFor({ stream }: Case, connections: keyof typeof requestsPerRound): number {
  return requestsPerRound[connections] * (stream ? shareOfStreams : 1);
}

const quantile = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;

console.log(`bundle ${kib(bundle.bytes)} KiB, gzip ${kib(bundle.gzipBytes)} KiB (aim: under 200)`);
console.log(
  `start-up: bare ${Math.round(workers.forward.startMs)} ms, gateway ${Math.round(workers.uncached.startMs)} ms`,
);
for (const each of cases) await measure(each, 16, requestsFor(each, 16));
for (const connections of [1, 16, 64] as const) {
  const results = new Map<string, Result>();
  for (let round = 0; round < rounds; round++) {
    for (const each of cases) {
      const { samples, elapsedMs, cpuMicroseconds } = await measure(each, connections, requestsFor(each, connections));
      const sum = results.get(each.name) ?? { samples: [], elapsedMs: 0, cpuMicroseconds: 0 };
      sum.samples.push(...samples);
      results.set(each.name, {
        ...sum,
        elapsedMs: sum.elapsedMs + elapsedMs,
        cpuMicroseconds: sum.cpuMicroseconds + cpuMicroseconds,
      });
    }
  }
  print(connections, results);
}

for (const worker of Object.values(workers)) await worker.stop();
mock.kill();

function print(connections: number, results: ReadonlyMap<string, Result>): void {
  console.log(`\n${connections} connection${connections === 1 ? "" : "s"}`);
  console.log("                       requests/s   p50 ms   p99 ms  first byte ms   CPU us   of the bare worker");
  const rate = (name: string) => {
    const result = results.get(name);
    return result ? (result.samples.length / result.elapsedMs) * 1000 : Number.NaN;
  };
  for (const { name, beside } of cases) {
    const result = results.get(name);
    if (!result) continue;
    const totals = result.samples.map(({ totalMs }) => totalMs);
    const firsts = result.samples.map(({ firstByteMs }) => firstByteMs);
    const cells = [
      name.padEnd(22),
      rate(name).toFixed(0).padStart(10),
      quantile(totals, 0.5).toFixed(2).padStart(8),
      quantile(totals, 0.99).toFixed(2).padStart(8),
      quantile(firsts, 0.5).toFixed(2).padStart(14),
      (result.cpuMicroseconds / result.samples.length).toFixed(0).padStart(8),
      beside ? `${((rate(name) / rate(beside)) * 100).toFixed(0)} %`.padStart(20) : "",
    ];
    console.log(cells.join(" "));
  }
}

interface Bundle {
  readonly path: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

/** Builds the worker as it is deployed. */
function build(): Bundle {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-bundle-"));
  execFileSync("wrangler", ["deploy", "--dry-run", "--minify", "--outdir", folder, "--env", "production"], {
    stdio: "ignore",
  });
  const path = join(folder, "index.js");
  const text = readFileSync(path);
  return { path, bytes: text.length, gzipBytes: gzipSync(text).length };
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(0);
}
