import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startWorker, type WorkerOptions } from "../../bench/workerd.ts";
import { heapMb } from "../attacks/attack.ts";
import { keepLog, type Log, requestLines } from "./log.ts";
import type { Outcome } from "./outcome.ts";
import { showsSecret, upstreamKey } from "./secrets.ts";
import { keyOf, tenants } from "./tenants.ts";
import type { Order, Report } from "./upstream.ts";

/** How long a stream of the gateway may be silent between two tokens. */
export const idleMs = 1_000;

/**
 * The built worker in a workerd of its own, between callers and two back ends on real sockets, and what it has logged: for
 * what takes many isolates, a context for each request, or load.
 */
export interface Setting {
  readonly port: number;
  /** Of all isolates. */
  readonly ports: readonly number[];
  /** Where Durable Objects keep what they store. */
  readonly objectsFolder: string;
  readonly order: (provider: "primary" | "secondary", mode: Order["mode"]) => void;
  readonly report: () => Promise<Report>;
  /** Waits until a back end has been asked so often. */
  readonly visited: (provider: string, times: number) => Promise<void>;
  /** Waits until KV has a key that begins so. */
  readonly stored: (prefix: string) => Promise<void>;
  readonly log: Log;
  /** Kills all isolates at once, and starts others, on other ports and without KV's values, that go on with the same objects. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface SettingOptions {
  /** What the chain's first back end is. */
  readonly primary: "openai" | "ai-service";
  readonly isolates?: number;
  readonly settings?: Readonly<Record<string, string>>;
  /** How fast KV gives a value; at once unless told otherwise. */
  readonly kvBytesPerMs?: number;
}

/** Runs a phase in a setting of its own, since breakers remember, and judges what was logged too. */
export async function inSetting(
  script: string,
  options: SettingOptions,
  phase: (setting: Setting) => Promise<Outcome>,
): Promise<Outcome> {
  const setting = await startSetting(script, options);
  try {
    const outcome = await phase(setting);
    const log = await setting.log.of(outcome.requests);
    return {
      ...outcome,
      promises: [
        ...outcome.promises,
        { promise: "a log line for each", isKept: requestLines(log) >= outcome.requests },
        { promise: "no secret in the log", isKept: !showsSecret(log) },
      ],
    };
  } finally {
    await setting.stop();
  }
}

/** Starts the built worker (`script`) with a chain of two. */
export async function startSetting(
  script: string,
  { primary, settings, ...options }: SettingOptions,
): Promise<Setting> {
  const upstreams = fork(join(import.meta.dirname, "upstream.ts"), { execArgv: [] });
  const [{ url }] = await once(upstreams, "message");
  const providers = [
    { name: "primary", type: primary, baseUrl: `${url}/primary`, apiKey: upstreamKey },
    { name: "secondary", type: "openai", baseUrl: `${url}/secondary`, apiKey: upstreamKey },
  ];
  const log = keepLog();
  const objectsFolder = mkdtempSync(join(tmpdir(), "qingyu-load-"));
  const workerOptions: WorkerOptions = {
    script,
    ...options,
    objectsFolder,
    bindings: {
      AI_PROVIDERS: JSON.stringify(providers),
      GATEWAY_API_KEYS: tenants.map((tenant) => `${tenant}:${sha256Hex(keyOf(tenant))}`).join(","),
      QINGYU_DEADLINES_REQUEST_MS: "4000",
      QINGYU_DEADLINES_FIRST_TOKEN_MS: "1500",
      QINGYU_DEADLINES_IDLE_MS: String(idleMs),
      // A busy machine may not turn hits into misses.
      QINGYU_CACHE_READ_TIMEOUT_MS: "1000",
      QINGYU_CACHE_KNOWLEDGE_SECONDS: "60",
      ...settings,
    },
    readyPath: "/health/live",
    onLog: log.add,
    v8Flags: [`--max-heap-size=${heapMb}`],
  };
  let worker = await startWorker(workerOptions);
  return {
    get port() {
      return worker.port;
    },
    get ports() {
      return worker.ports;
    },
    objectsFolder,
    order: (provider, mode) => void upstreams.send({ provider, mode } satisfies Order),
    report: () => reportOf(upstreams),
    async visited(provider, times) {
      while (((await reportOf(upstreams)).visits[provider] ?? 0) < times);
    },
    async stored(prefix) {
      for (let keys: string[] = []; !keys.some((key) => key.startsWith(`/${prefix}`)); ) {
        keys = await (await fetch(`http://127.0.0.1:${worker.kvPort}/`)).json();
      }
    },
    log,
    async restart() {
      await worker.stop();
      worker = await startWorker(workerOptions);
    },
    async stop() {
      await worker.stop();
      upstreams.disconnect();
      rmSync(objectsFolder, { recursive: true, force: true });
    },
  };
}

async function reportOf(upstreams: ChildProcess): Promise<Report> {
  upstreams.send("report");
  const [report] = await once(upstreams, "message");
  return report;
}

export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
