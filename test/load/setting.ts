import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { startWorker, type Worker } from "../../bench/workerd.ts";
import { marker } from "../upstreams/texts.ts";
import { keyOf } from "./caller.ts";
import type { Order, Report } from "./upstream.ts";

export const tenants = Array.from({ length: 8 }, (_, index) => `tenant-${index}`);

/** A gateway in workerd, two back ends behind it, and what it has logged. */
export interface Setting {
  readonly port: number;
  /** Of all isolates. */
  readonly ports: readonly number[];
  readonly order: (provider: "primary" | "secondary", mode: Order["mode"]) => void;
  readonly report: () => Promise<Report>;
  /** Waits until a back end has been asked so often. */
  readonly visited: (provider: string, times: number) => Promise<void>;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

export interface SettingOptions {
  /** What the chain's first back end is. */
  readonly primary: "openai" | "ai-service";
  readonly isolates?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts the built worker (`script`) with a chain of two. */
export async function startSetting(script: string, { primary, isolates, settings }: SettingOptions): Promise<Setting> {
  const upstreams = fork(join(import.meta.dirname, "upstream.ts"), { execArgv: [] });
  const [{ url }] = await once(upstreams, "message");
  const providers = [
    { name: "primary", type: primary, baseUrl: `${url}/primary`, apiKey: `sk-${marker}` },
    { name: "secondary", type: "openai", baseUrl: `${url}/secondary`, apiKey: `sk-${marker}` },
  ];
  let log = "";
  const worker: Worker = await startWorker({
    script,
    isolates,
    bindings: {
      AI_PROVIDERS: JSON.stringify(providers),
      GATEWAY_API_KEYS: tenants.map((tenant) => `${tenant}:${sha256Hex(keyOf(tenant))}`).join(","),
      QINGYU_DEADLINES_REQUEST_MS: "4000",
      QINGYU_DEADLINES_FIRST_TOKEN_MS: "1500",
      QINGYU_DEADLINES_IDLE_MS: "1000",
      ...settings,
    },
    readyPath: "/health/live",
    onLog: (text) => {
      log += text;
    },
  });
  return {
    port: worker.port,
    ports: worker.ports,
    order: (provider, mode) => void upstreams.send({ provider, mode } satisfies Order),
    report: () => reportOf(upstreams),
    async visited(provider, times) {
      while (((await reportOf(upstreams)).visits[provider] ?? 0) < times);
    },
    log: () => log,
    async stop() {
      await worker.stop();
      upstreams.disconnect();
    },
  };
}

async function reportOf(upstreams: ChildProcess): Promise<Report> {
  upstreams.send("report");
  const [report] = await once(upstreams, "message");
  return report;
}

function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
