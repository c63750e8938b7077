/**
 * `npm run bench [-- --quick] [-- --only TEXT] [-- --peers]`: the gateway in workerd beside bare workers and the floor, in
 * interleaved rounds on loopback (docs/performance.md). `--only` keeps the cases that have TEXT in their name or their
 * group's, `--peers` puts other gateways beside ours.
 */
import { parseArgs } from "node:util";
import { aims } from "./aims.ts";
import { bodyOf, type Case, type Group, groupsOf, isRight, only } from "./cases.ts";
import { load } from "./load.ts";
import { startMock } from "./mock-process.ts";
import { kib, markdown, median, type Round, type Rounds, tableOf } from "./report.ts";
import { startWorker, type Worker } from "./workerd.ts";
import { buildScripts, chatPath, requestHeaders, startNamed, type WorkerName, workerOptions } from "./workers.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    peers: { type: "boolean", default: false },
  },
});
// Every worker and every folder of a bundle goes when this process ends.
process.setMaxListeners(100);
const roundCount = options.quick ? 5 : 15;

const groups = only(groupsOf(options), options.only);
const { bundle, scripts } = buildScripts({ minify: true });
const mock = await startMock();
const workers = new Map<WorkerName, Worker>();

async function running(name: WorkerName): Promise<Worker> {
  const worker = workers.get(name) ?? (await startNamed(name, scripts, mock.port));
  workers.set(name, worker);
  return worker;
}

async function measure(group: Group, each: Case): Promise<Round> {
  const { connections, requests } = group;
  const worker = await running(each.worker);
  const usedMicroseconds = worker.cpuMicroseconds();
  const { samples, elapsedMs } = await load({
    port: worker.port,
    path: chatPath,
    headers: requestHeaders(each.worker, mock.port),
    bodyOf: () => bodyOf(group, each),
    connections,
    requests,
  });
  return {
    samples,
    requestsPerSecond: (requests / elapsedMs) * 1000,
    cpuMicroseconds: (worker.cpuMicroseconds() - usedMicroseconds) / requests,
  };
}

/** Asks once and throws where the answer is wrong. */
async function verify(group: Group, each: Case): Promise<void> {
  const { port } = await running(each.worker);
  const response = await fetch(`http://127.0.0.1:${port}${chatPath}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...requestHeaders(each.worker, mock.port) },
    body: bodyOf(group, each),
  });
  const body = await response.text();
  if (!response.ok || !isRight(group, body)) throw new Error(`${group.name}, ${each.name}: ${response.status} ${body}`);
}

async function measureAll(group: Group): Promise<Rounds> {
  for (const each of group.cases) {
    await verify(group, each);
    // V8 compiles what is hot in steps; a gateway has more to compile than a bare worker.
    for (let warmUp = 0; warmUp < 2; warmUp++) await measure(group, each);
  }
  const rounds = new Map(group.cases.map(({ name }) => [name, [] as Round[]]));
  for (let round = 0; round < roundCount; round++) {
    for (const each of group.cases) rounds.get(each.name)?.push(await measure(group, each));
  }
  return rounds;
}

/** From the process to the first answer. */
async function startUp(name: "forward" | "openai"): Promise<number> {
  const worker = await startWorker(workerOptions(name, scripts, mock.port));
  await worker.stop();
  return worker.startMs;
}

const starts: { bareMs: number; gatewayMs: number }[] = [];
for (let round = 0; round < roundCount; round++) {
  starts.push({ bareMs: await startUp("forward"), gatewayMs: await startUp("openai") });
}
const startMs = median(starts, ({ gatewayMs }) => gatewayMs);
const bareMs = median(starts, (start) => start.bareMs);
console.log(`bundle ${kib(bundle.bytes)}, gzip ${kib(bundle.gzipBytes)}`);
console.log(`start-up to the first answer: bare ${bareMs.toFixed(0)} ms, gateway ${startMs.toFixed(0)} ms`);

const measured = new Map<string, Rounds>();
for (const group of groups) {
  const rounds = await measureAll(group);
  measured.set(group.name, rounds);
  console.log(`\n${tableOf(group, rounds)}`);
}
const reached = { groups: measured, gzipBytes: bundle.gzipBytes, startMs };
console.log(`\n${markdown(["aim", "", "reached", ""], aims(reached))}`);

for (const worker of workers.values()) await worker.stop();
mock.stop();
