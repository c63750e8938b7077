import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Bundle } from "./bundle.ts";
import { answerText, pacedModel, pacedPieces, requestBody } from "./payload.ts";
import { startSimulated } from "./simulator.ts";
import { startWorker, type Worker } from "./workerd.ts";

/** The gateway's caller in all measurements: authentication is part of what is measured. */
const key = "bench-key";
export const requestHeaders = `authorization: Bearer ${key}\r\n`;
export const chatPath = "/v1/chat/completions";

/** The gateway's settings, with the mock as every provider. */
export function gatewaySettings(mockPort: number): Record<string, string> {
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

/** What each kind of gateway has beyond `gatewaySettings`. */
export const variants = {
  openai: { AI_PROVIDERS: "openai", QINGYU_CACHE_ENABLED: "false" },
  cached: { AI_PROVIDERS: "openai", QINGYU_CACHE_ENABLED: "true" },
  kvCached: { AI_PROVIDERS: "openai", QINGYU_CACHE_ENABLED: "true", QINGYU_CACHE_MEMORY_BYTES: "0" },
  aiService: { AI_PROVIDERS: "ai-service", QINGYU_CACHE_ENABLED: "false" },
} as const;

type Bare = "forward" | "jsonForward" | "kvForward" | "kvReader" | "simulatedKvReader";
export type Workers = Readonly<Record<keyof typeof variants | Bare | "simulatedKvCached", Worker>>;

/** Starts every worker that a case needs, one after the other, so that their start-up times can be compared. */
export async function startWorkers({ path }: Bundle, mockPort: number): Promise<Workers> {
  const gateway = (variant: keyof typeof variants) =>
    startWorker({
      script: path,
      bindings: { ...gatewaySettings(mockPort), ...variants[variant] },
      readyPath: "/health/live",
    });
  const bare = (name: string) =>
    startWorker({
      script: join(import.meta.dirname, "workers", name),
      bindings: { UPSTREAM: `http://127.0.0.1:${mockPort}` },
      readyPath: "/",
    });
  const kvReader = await bare("kv-reader.js");
  const simulatedKvReader = await startSimulated({
    script: join(import.meta.dirname, "workers/kv-reader.js"),
    bindings: {},
    readyPath: "/",
  });
  for (const { port } of [kvReader, simulatedKvReader]) {
    await fetch(`http://127.0.0.1:${port}`, { method: "PUT", body: JSON.stringify({ answerText }) });
  }
  return {
    forward: await bare("forward.js"),
    jsonForward: await bare("json-forward.js"),
    kvForward: await bare("kv-forward.js"),
    kvReader,
    simulatedKvReader,
    simulatedKvCached: await startSimulated({
      script: path,
      bindings: { ...gatewaySettings(mockPort), ...variants.kvCached },
      readyPath: "/health/live",
    }),
    openai: await gateway("openai"),
    cached: await gateway("cached"),
    kvCached: await gateway("kvCached"),
    aiService: await gateway("aiService"),
  };
}

export interface Case {
  readonly name: string;
  readonly worker: keyof Workers;
  /** The case that it is measured against. */
  readonly beside?: string;
  readonly stream?: "at once" | "paced";
  /** Every request differs from all before. */
  readonly isUnique?: boolean;
}

export const cases: readonly Case[] = [
  { name: "bare forwarder", worker: "forward" },
  { name: "bare JSON forwarder", worker: "jsonForward", beside: "bare forwarder" },
  { name: "OpenAI, cache off", worker: "openai", beside: "bare forwarder" },
  { name: "bare JSON forwarder with KV", worker: "kvForward", beside: "bare forwarder", isUnique: true },
  { name: "OpenAI, cache miss", worker: "cached", beside: "bare forwarder", isUnique: true },
  { name: "AI service, Connect", worker: "aiService", beside: "bare forwarder" },
  { name: "bare KV reader", worker: "kvReader" },
  { name: "cache hit, KV", worker: "kvCached", beside: "bare KV reader" },
  { name: "cache hit, memory", worker: "cached", beside: "bare KV reader" },
  { name: "bare KV reader, simulator", worker: "simulatedKvReader" },
  { name: "cache hit, KV, simulator", worker: "simulatedKvCached", beside: "bare KV reader, simulator" },
  { name: "bare stream", worker: "forward", stream: "at once" },
  { name: "OpenAI stream", worker: "openai", beside: "bare stream", stream: "at once" },
  { name: "AI service stream", worker: "aiService", beside: "bare stream", stream: "at once" },
  { name: "bare paced stream", worker: "forward", stream: "paced" },
  { name: "OpenAI paced stream", worker: "openai", beside: "bare paced stream", stream: "paced" },
];

let unique = 1;

/** The body of a case's next request. */
export function bodyOf({ stream, isUnique }: Case): string {
  return requestBody(isUnique ? unique++ : 0, stream !== undefined, stream === "paced" ? pacedModel : undefined);
}

/** Asks once and throws where the answer is not the mock's whole answer: what is wrong may not be measured. */
export async function verify(each: Case, port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}${chatPath}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: bodyOf(each),
  });
  const text = await response.text();
  const expected = { "at once": "[DONE]", paced: pacedPieces.at(-1) ?? "", plain: answerText }[each.stream ?? "plain"];
  if (!response.ok || !text.includes(expected)) throw new Error(`${each.name}: ${response.status} ${text}`);
}
