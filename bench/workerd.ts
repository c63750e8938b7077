import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Worker {
  readonly port: number;
  /** From spawning the process until it answered. */
  readonly startMs: number;
  /** CPU time that the process has used so far, in microseconds. */
  readonly cpuMicroseconds: () => number;
  readonly stop: () => Promise<void>;
}

export interface WorkerOptions {
  /** The built script, one ES module. */
  readonly script: string;
  readonly bindings: Readonly<Record<string, string>>;
  /** A path that answers once the worker is up. */
  readonly readyPath: string;
  /** Where V8's inspector listens; for profiling only. */
  readonly inspectorPort?: number;
}

const { default: workerdPath } = createRequire(import.meta.url)("workerd");

/** Runs a built worker in a `workerd serve` process of its own, with a KV namespace `CACHE` kept in memory beside it. */
export async function startWorker({ script, bindings, readyPath, inspectorPort }: WorkerOptions): Promise<Worker> {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-bench-"));
  const port = await freePort();
  cpSync(script, join(folder, "main.js"));
  cpSync(join(import.meta.dirname, "workers/kv-store.js"), join(folder, "kv.js"));
  writeFileSync(join(folder, "config.capnp"), configFor(port, bindings));

  const startedMs = performance.now();
  const inspector = inspectorPort === undefined ? [] : [`--inspector-addr=127.0.0.1:${inspectorPort}`];
  const workerd = spawn(workerdPath, ["serve", join(folder, "config.capnp"), ...inspector], {
    stdio: "ignore",
  });
  await untilUp(`http://127.0.0.1:${port}${readyPath}`, workerd);
  return {
    port,
    startMs: performance.now() - startedMs,
    cpuMicroseconds: () => cpuMicroseconds(workerd.pid ?? 0),
    async stop() {
      workerd.kill();
      await once(workerd, "exit");
    },
  };
}

/** The project's own compatibility date and flags. */
function compatibility(): string {
  const toml = readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
  const date = /^compatibility_date = (".*")/m.exec(toml)?.[1];
  const flags = /^compatibility_flags = (\[.*\])/m.exec(toml)?.[1];
  return `compatibilityDate = ${date}, compatibilityFlags = ${flags}`;
}

function configFor(port: number, bindings: Readonly<Record<string, string>>): string {
  const texts = Object.entries(bindings).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "main.js", esModule = embed "main.js")],
      bindings = [${[...texts, '(name = "CACHE", kvNamespace = "kv")'].join(", ")}],
      ${compatibility()},
    )),
    (name = "kv", worker = (
      modules = [(name = "kv.js", esModule = embed "kv.js")],
      ${compatibility()},
    )),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || !address) throw new Error("no port");
  return address.port;
}

async function untilUp(url: string, process: ChildProcess): Promise<void> {
  while (process.exitCode === null) {
    const isUp = await fetch(url).then(
      (response) => response.body?.cancel().then(() => true),
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error("workerd did not start");
}

/** User and system time of a process (Linux: clock ticks of 10 ms in /proc). */
function cpuMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}
