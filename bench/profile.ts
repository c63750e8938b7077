/** `npm run profile -- openai|ai-service|hit|stream`: where a request's CPU time goes, by function, from V8's sampling profiler. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "./load.ts";
import { requestBody } from "./payload.ts";
import { startWorker } from "./workerd.ts";

const path = process.argv[2] ?? "openai";
const requests = path === "stream" ? 400 : 6000;
const inspectorPort = 9339;

const folder = mkdtempSync(join(tmpdir(), "qingyu-profile-"));
execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", folder, "--env", "production"], { stdio: "ignore" });
const mock = spawn(process.execPath, [join(import.meta.dirname, "mock.ts")], { stdio: ["ignore", "pipe", "inherit"] });
const [printed] = await once(mock.stdout, "data");
const upstream = `http://127.0.0.1:${Number(String(printed))}`;
const worker = await startWorker({
  script: join(folder, "index.js"),
  inspectorPort,
  readyPath: "/health/live",
  bindings: {
    ENVIRONMENT: "development",
    AI_PROVIDERS: path === "ai-service" ? "ai-service" : "openai",
    OPENAI_API_KEY: "mock",
    OPENAI_BASE_URL: `${upstream}/v1`,
    PYTHON_AI_SERVICE_URL: upstream,
    QINGYU_CACHE_ENABLED: String(path === "hit"),
  },
});

const socket = new WebSocket(`ws://127.0.0.1:${inspectorPort}/main`);
await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
let id = 0;

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly lineNumber: number; readonly url: string };
}
interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Asks the inspector (Chrome DevTools Protocol). */
function ask(method: string, params: object = {}): Promise<{ profile?: Profile }> {
  const mine = ++id;
  return new Promise((resolve) => {
    socket.addEventListener("message", function read({ data }) {
      const message = JSON.parse(String(data));
      if (message.id !== mine) return;
      socket.removeEventListener("message", read);
      resolve(message.result);
    });
    socket.send(JSON.stringify({ id: mine, method, params }));
  });
}

const run = (count: number) =>
  load({
    port: worker.port,
    path: "/v1/chat/completions",
    headers: "",
    bodyOf: () => requestBody(0, path === "stream"),
    connections: 16,
    requests: count,
  });
await run(requests / 4);
await ask("Profiler.enable");
await ask("Profiler.setSamplingInterval", { interval: 100 });
await ask("Profiler.start");
await run(requests);
const { profile } = await ask("Profiler.stop");
socket.close();
await worker.stop();
mock.kill();

if (profile) {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const selfMicroseconds = new Map<string, number>();
  for (const [index, sample] of profile.samples.entries()) {
    const frame = frames.get(sample);
    const name = `${frame?.functionName || "(anonymous)"} ${frame?.url ? `line ${frame.lineNumber + 1}` : ""}`;
    selfMicroseconds.set(name, (selfMicroseconds.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  const rows = [...selfMicroseconds].toSorted(([, a], [, b]) => b - a).slice(0, 45);
  for (const [name, spent] of rows) console.log(`${(spent / requests).toFixed(1).padStart(8)} us per request  ${name}`);
  console.log(`lines are of ${join(folder, "index.js")}`);
}
