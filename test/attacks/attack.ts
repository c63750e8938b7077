import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { startWorker } from "../../bench/workerd.ts";
import type { Fared } from "./innocent.ts";

/** Something that a caller or a provider does to the gateway. */
export interface Attack {
  /** What is done, in words. */
  readonly name: string;
  /** What its chain's only back end is; OpenAI-type unless told otherwise. */
  readonly provider?: "openai" | "ai-service";
  readonly settings?: Readonly<Record<string, string>>;
  readonly play: (target: Target) => Promise<void>;
}

/** The gateway as an attacker sees it. */
interface Target {
  readonly port: number;
  readonly key: string;
  /** Asks once and reads the whole answer; undefined where none came. */
  readonly ask: (sent: Sent) => Promise<Received | undefined>;
  /** Asks so many times, so many at once. */
  readonly askAll: (times: number, atOnce: number, sent: (index: number) => Sent) => Promise<void>;
  /** A raw connection, for who does not speak HTTP or does not read. It is closed when the attack is over. */
  readonly connect: () => Socket;
}

interface Sent {
  readonly method?: string;
  /** Chat completions unless told otherwise. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

interface Received {
  readonly status: number;
  readonly body: Buffer;
}

/** What an attack did. */
export interface Damage {
  readonly name: string;
  readonly isAlive: boolean;
  /** What the attacker got: answers by status; 0 where none came. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly longestMs: number;
  readonly innocent: Fared;
  /** Of V8's heap before a collection, in megabytes. */
  readonly peakHeapMb: number;
  readonly peakProcessMb: number;
}

/** The memory of an isolate on Cloudflare. */
const heapMb = 128;
const [attacker, innocent] = ["attacker", "innocent"];
const patienceMs = 60_000;
/** How long the innocent one is alone before and after. */
const calmMs = 1_000;

/** Plays an attack against the built worker, in a workerd of its own, and beside it an innocent caller. */
export async function damageOf(script: string, { name, provider = "openai", settings, play }: Attack): Promise<Damage> {
  const upstream = fork(join(import.meta.dirname, "upstream.ts"), { execArgv: [] });
  const [{ url }] = await once(upstream, "message");
  let peakHeapMb = 0;
  const worker = await startWorker({
    script,
    bindings: {
      AI_PROVIDERS: JSON.stringify([{ name: "provider", type: provider, baseUrl: url, apiKey: "sk-attacked" }]),
      GATEWAY_API_KEYS: [attacker, innocent].map((tenant) => `${tenant}:${sha256Hex(tenant)}`).join(","),
      ...settings,
    },
    readyPath: "/health/live",
    v8Flags: [`--max-heap-size=${heapMb}`, "--trace-gc"],
    onLog(text) {
      for (const [, used] of text.matchAll(/ms: (?:Scavenge|Mark-Compact)[^\d]*(\d+\.\d+) \(/g)) {
        peakHeapMb = Math.max(peakHeapMb, Number(used));
      }
    },
  });
  const caller = fork(join(import.meta.dirname, "innocent.ts"), [String(worker.port), innocent], { execArgv: [] });
  await new Promise((resolve) => setTimeout(resolve, calmMs));

  const received: { readonly status: number; readonly tookMs: number }[] = [];
  const sockets = new Set<Socket>();
  const ask = async (sent: Sent) => {
    const startedMs = performance.now();
    const answer = await askOnce(worker.port, sent);
    received.push({ status: answer?.status ?? 0, tookMs: performance.now() - startedMs });
    return answer;
  };
  await play({
    port: worker.port,
    key: attacker,
    ask,
    async askAll(times, atOnce, sent) {
      let asked = 0;
      const run = async () => {
        while (asked < times) await ask(sent(asked++));
      };
      await Promise.all(Array.from({ length: atOnce }, run));
    },
    connect() {
      const socket = connect(worker.port, "127.0.0.1").on("error", () => {});
      sockets.add(socket);
      return socket;
    },
  });
  await new Promise((resolve) => setTimeout(resolve, calmMs));
  caller.send("stop");
  const fared: Fared = (await once(caller, "message"))[0];
  for (const socket of sockets) socket.destroy();
  const last = await askOnce(worker.port, { method: "GET", path: "/health/live" });
  const peakProcessMb = worker.peakBytes() / 1024 / 1024;
  if (last) await worker.stop();
  upstream.disconnect();
  const statuses: Record<number, number> = {};
  for (const { status } of received) statuses[status] = (statuses[status] ?? 0) + 1;
  const longestMs = Math.max(0, ...received.map(({ tookMs }) => tookMs));
  return { name, isAlive: last?.status === 200, statuses, longestMs, innocent: fared, peakHeapMb, peakProcessMb };
}

function askOnce(port: number, { method = "POST", path = "/v1/chat/completions", headers, body = "" }: Sent) {
  return new Promise<Received | undefined>((resolve) => {
    const sent = request({
      port,
      host: "127.0.0.1",
      method,
      path,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        authorization: `Bearer ${attacker}`,
        ...headers,
      },
      agent: false,
      signal: AbortSignal.timeout(patienceMs),
    });
    sent.once("error", () => resolve(undefined));
    sent.once("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece)).on("error", () => {});
      response.once("close", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) }));
    });
    sent.end(body);
  });
}

function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
