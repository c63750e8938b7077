import { readFileSync } from "node:fs";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { compatibility, type Worker, type WorkerOptions } from "./workerd.ts";

/** Runs a built worker under Miniflare, as `wrangler dev` does, with its simulator of KV. Its CPU time is not measured. */
export async function startSimulated({ script, bindings }: WorkerOptions): Promise<Worker> {
  const { date, flags } = compatibility();
  const startedMs = performance.now();
  const simulator = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: readFileSync(script, "utf8"),
      compatibilityDate: date,
      compatibilityFlags: flags,
      bindings: { ...bindings },
      kvNamespaces: ["CACHE"],
      host: "127.0.0.1",
      port: 0,
      handleStructuredLogs: () => {},
    }),
  );
  const port = Number((await simulator.ready).port);
  return {
    port,
    ports: [port],
    startMs: performance.now() - startedMs,
    cpuMicroseconds: () => 0,
    stop: () => simulator.dispose(),
  };
}
