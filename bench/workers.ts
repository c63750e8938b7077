import { createHash } from "node:crypto";
import { join } from "node:path";
import { buildBundle, buildWorker } from "./bundle.ts";
import { answerText } from "./payload.ts";
import { portkeyHeaders, startPortkey } from "./peers.ts";
import { startWorker, type Worker, type WorkerOptions } from "./workerd.ts";

/** The caller in all measurements: authentication is part of what is measured. */
const key = "bench-key";
export const chatPath = "/v1/chat/completions";

/** The gateway's settings, with the mock as every provider. */
function gatewaySettings(mockPort: number): Record<string, string> {
  const upstream = `http://127.0.0.1:${mockPort}`;
  return {
    ENVIRONMENT: "development",
    GATEWAY_API_KEYS: `bench:${createHash("sha256").update(key).digest("hex")}`,
    OPENAI_API_KEY: "mock",
    OPENAI_BASE_URL: `${upstream}/v1`,
    PYTHON_AI_SERVICE_URL: upstream,
    // A busy machine may not turn hits into misses.
    QINGYU_CACHE_READ_TIMEOUT_MS: "5000",
  };
}

const openai = { AI_PROVIDERS: "openai", QINGYU_CACHE_ENABLED: "false" };
const aiService = { AI_PROVIDERS: "ai-service", QINGYU_CACHE_ENABLED: "false" };
/** Limits that nobody comes to: the question and the answer to an account are what is measured. */
const plenty = JSON.stringify([{ tenant: "bench", requestsPerMinute: 1e12, concurrent: 1e12, tokensPerDay: 1e15 }]);
const cached = { AI_PROVIDERS: "openai", QINGYU_CACHE_ENABLED: "true" };

/** The gateway, with what each kind of it has beyond `gatewaySettings`. */
const gateways = {
  openai,
  openaiLimited: { ...openai, AI_POLICIES: plenty },
  openaiBatched: { ...openai, QINGYU_STREAM_BATCH_MS: "20" },
  aiService,
  aiServiceBatched: { ...aiService, QINGYU_STREAM_BATCH_MS: "20" },
  cached,
  kvCached: { ...cached, QINGYU_CACHE_MEMORY_BYTES: "0" },
};

/** The workers that it is measured against. */
const others = {
  forward: "forward.js",
  floor: "floor.js",
  jsonForward: "json-forward.js",
  kvForward: "kv-forward.js",
  kvReader: "kv-reader.js",
};

export type WorkerName = keyof typeof gateways | keyof typeof others | "portkey";
const isGateway = (name: string): name is keyof typeof gateways => name in gateways;

/** Those whose scripts are built, so that a profile can say where a function stands. */
export const profiled = [...Object.keys(gateways), "floor"];
export const isProfiled = (name: string): name is keyof typeof gateways | "floor" => profiled.includes(name);

export type Scripts = Readonly<Record<"gateway" | keyof typeof others, string>>;

/** Builds the gateway and the floor; the other workers run as they stand. */
export function buildScripts({ minify }: { readonly minify: boolean }) {
  const scriptOf = (name: keyof typeof others) => join(import.meta.dirname, "workers", others[name]);
  const bundle = buildBundle({ minify });
  const floor = buildWorker(scriptOf("floor"), { minify });
  const scripts: Scripts = {
    gateway: bundle.path,
    floor: floor.path,
    forward: scriptOf("forward"),
    jsonForward: scriptOf("jsonForward"),
    kvForward: scriptOf("kvForward"),
    kvReader: scriptOf("kvReader"),
  };
  return { bundle, scripts };
}

/** How to run a worker in workerd. */
export function workerOptions(name: Exclude<WorkerName, "portkey">, scripts: Scripts, mockPort: number): WorkerOptions {
  return isGateway(name)
    ? {
        script: scripts.gateway,
        bindings: { ...gatewaySettings(mockPort), ...gateways[name] },
        readyPath: "/health/live",
      }
    : { script: scripts[name], bindings: { UPSTREAM: `http://127.0.0.1:${mockPort}` }, readyPath: "/" };
}

/** Starts a worker, or a peer in its place, ready to be asked. */
export async function startNamed(name: WorkerName, scripts: Scripts, mockPort: number): Promise<Worker> {
  if (name === "portkey") return await startPortkey();
  const worker = await startWorker(workerOptions(name, scripts, mockPort));
  if (name === "kvReader") {
    await fetch(`http://127.0.0.1:${worker.port}`, { method: "PUT", body: JSON.stringify({ answerText }) });
  }
  return worker;
}

/** The headers of a request to a worker. */
export function requestHeaders(name: WorkerName, mockPort: number): Record<string, string> {
  return { authorization: `Bearer ${key}`, ...(name === "portkey" && portkeyHeaders(mockPort)) };
}
