/**
 * `npm run bench [-- --quick] [-- --only NAME]`: the gateway in workerd beside bare workers, in one interleaved run on loopback.
 * `--only` keeps the cases whose name has NAME in it, and those that they are measured against.
 */
import { parseArgs } from "node:util";
import { buildBundle } from "./bundle.ts";
import { bodyOf, type Case, cases, chatPath, requestHeaders, startWorkers, verify } from "./cases.ts";
import { load } from "./load.ts";
import { startMock } from "./mock-process.ts";
import { answerPieces, answerText, pacedPieces, paceMs } from "./payload.ts";
import { aims, kib, type Result, type Round, summarise, table } from "./report.ts";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string", default: "" } },
});
const rounds = options.quick ? 3 : 7;
/** Requests of one case in one round. */
const requests = {
  plain: { 1: 400, 16: 1500, 64: 1500 },
  "at once": { 1: 60, 16: 160, 64: 192 },
  paced: { 1: 12, 16: 64, 64: 128 },
} as const;

const asked = cases.filter(({ name }) => name.includes(options.only));
const chosen = cases.filter((each) => asked.includes(each) || asked.some(({ beside }) => beside === each.name));

const bundle = buildBundle({ minify: true });
const mock = await startMock();
const workers = await startWorkers(bundle, mock.port);
const ports = { ...workers, mock };

async function measure(each: Case, connections: 1 | 16 | 64, where: keyof typeof ports = each.worker): Promise<Round> {
  const count = requests[each.stream ?? "plain"][connections];
  const cpuMicroseconds = workers[each.worker].cpuMicroseconds();
  const { samples, elapsedMs } = await load({
    port: ports[where].port,
    path: chatPath,
    headers: requestHeaders,
    bodyOf: () => bodyOf(each),
    connections,
    requests: count,
  });
  return {
    samples,
    requestsPerSecond: (count / elapsedMs) * 1000,
    cpuMicroseconds: (workers[each.worker].cpuMicroseconds() - cpuMicroseconds) / count,
  };
}

const bytes = (text: string) => Buffer.byteLength(text);
const plain: Case = { name: "mock", worker: "forward" };
await measure(plain, 16, "mock");
const alone = await measure(plain, 16, "mock");
console.log(`request ${bytes(bodyOf(plain))} bytes of Chinese prompt, answer ${bytes(answerText)} bytes; one API key`);
console.log(
  `streams: ${answerPieces.length} tokens at once; paced: ${pacedPieces.length} tokens, one each ${paceMs} ms`,
);
console.log(`mock alone: ${alone.requestsPerSecond.toFixed(0)} requests/s at 16 connections`);
console.log(`bundle: ${kib(bundle.bytes)} KiB, gzip ${kib(bundle.gzipBytes)} KiB`);
console.log(`start-up: bare ${workers.forward.startMs.toFixed(0)} ms, gateway ${workers.openai.startMs.toFixed(0)} ms`);

for (const each of chosen) {
  await verify(each, workers[each.worker].port);
  // V8 compiles what is hot in steps; a gateway has more to compile than a bare worker.
  for (let warmUp = 0; warmUp < 2; warmUp++) await measure(each, 16);
}
const results = new Map<number, ReadonlyMap<string, Result>>();
for (const connections of [1, 16, 64] as const) {
  const measured = new Map(chosen.map(({ name }) => [name, [] as Round[]]));
  for (let round = 0; round < rounds; round++) {
    for (const each of chosen) measured.get(each.name)?.push(await measure(each, connections));
  }
  const summary = summarise(chosen, measured);
  results.set(connections, summary);
  console.log(`\n${connections} connection${connections === 1 ? "" : "s"}\n\n${table(summary)}`);
}
console.log("");
for (const { name, reached, isReached } of aims(results, bundle.gzipBytes)) {
  console.log(`${isReached ? "ok    " : "MISSED"} ${name}: ${reached}`);
}

for (const worker of Object.values(workers)) await worker.stop();
mock.stop();
