import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Worker {
  readonly port: number;
  /** Of all isolates, the first one's included. */
  readonly ports: readonly number[];
  /** Of their KV, where they have one. */
  readonly kvPort?: number;
  /** Of V8's inspector; only where it was asked for. */
  readonly inspectorPort?: number;
  /** From spawning the process until its first answer. */
  readonly startMs: number;
  /** CPU time that the process has used so far, in microseconds. */
  readonly cpuMicroseconds: () => number;
  /** The most memory that the process has had so far, in bytes. */
  readonly peakBytes: () => number;
  readonly stop: () => Promise<void>;
}

export interface WorkerOptions {
  /** The built script, one ES module. */
  readonly script: string;
  readonly bindings: Readonly<Record<string, string>>;
  /** A path that answers once the worker is up. */
  readonly readyPath: string;
  /** How many isolates run it, each on a port of its own, with one KV and one set of Durable Objects. */
  readonly isolates?: number;
  /** How fast KV gives a value; at once unless told otherwise. */
  readonly kvBytesPerMs?: number;
  /** Whether V8's inspector listens; for profiling only. */
  readonly inspect?: boolean;
  /** Where Durable Objects keep what they store, so that another process can go on with it; gone with the process where absent. */
  readonly objectsFolder?: string;
  /** What the worker logs; unless somebody listens it goes to /dev/null. */
  readonly onLog?: (text: string) => void;
  /** Such as `--max-heap-size=128`, the memory of an isolate, to which workerd by itself holds nobody. */
  readonly v8Flags?: readonly string[];
}

const { default: workerdPath } = createRequire(import.meta.url)("workerd");

/**
 * Runs a built worker in a `workerd serve` process of its own, with a KV namespace `CACHE` kept in memory beside it. The process ends with this one, whatever happens.
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { script, readyPath, inspect, onLog } = options;
  const folder = mkdtempSync(join(tmpdir(), "qingyu-bench-"));
  cpSync(script, join(folder, "main.js"));
  cpSync(join(import.meta.dirname, "workers/kv-store.js"), join(folder, "kv.js"));
  // Alarms and SQLite are there on a disk only.
  const objects = options.objectsFolder ?? join(folder, "objects");
  mkdirSync(objects, { recursive: true });
  writeFileSync(join(folder, "config.capnp"), configFor(options, { hasObjects: hasObjects(script), folder: objects }));

  const startedMs = performance.now();
  const inspector = inspect ? ["--inspector-addr=127.0.0.1:0"] : [];
  const workerd = spawn(workerdPath, ["serve", join(folder, "config.capnp"), "--control-fd=3", ...inspector], {
    stdio: ["ignore", onLog ? "pipe" : "ignore", onLog ? "pipe" : "ignore", "pipe"],
  });
  if (onLog) for (const output of [workerd.stdout, workerd.stderr]) output?.setEncoding("utf8").on("data", onLog);
  const kill = () => {
    // It would else wait for requests that nobody answers.
    workerd.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  const exited = once(workerd, "exit");
  process.once("exit", kill);
  const ports = await listeningPorts(workerd);
  const ready = await fetch(`http://127.0.0.1:${ports.port}${readyPath}`);
  const startMs = performance.now() - startedMs;
  if (!ready.ok) throw new Error(`${script} is not ready: ${ready.status} ${await ready.text()}`);
  await ready.body?.cancel();
  return {
    ...ports,
    startMs,
    cpuMicroseconds: () => cpuMicroseconds(workerd.pid ?? 0),
    peakBytes: () => peakBytes(workerd.pid ?? 0),
    async stop() {
      process.off("exit", kill);
      kill();
      await exited;
    },
  };
}

/** The ports that workerd chose, from what it says on descriptor 3, one JSON object a line; KV's socket is the last. */
async function listeningPorts(
  workerd: ChildProcess,
): Promise<Pick<Worker, "port" | "ports" | "kvPort" | "inspectorPort">> {
  const control = workerd.stdio[3];
  if (!control || !("read" in control)) throw new Error("workerd has no control descriptor");
  let inspectorPort: number | undefined;
  const ports: number[] = [];
  for await (const line of createInterface({ input: control })) {
    const said: { event: string; port: number; socket?: string } = JSON.parse(line);
    if (said.event === "listen-inspector") inspectorPort = said.port;
    if (said.event !== "listen") continue;
    if (said.socket === "kv") return { port: ports[0] ?? 0, ports, kvPort: said.port, inspectorPort };
    ports.push(said.port);
  }
  throw new Error("workerd did not start");
}

function wranglerToml(): string {
  return readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
}

/** The project's own compatibility date and flags. */
export function compatibility(): { readonly date: string; readonly flags: string[] } {
  const toml = wranglerToml();
  const flags = /^compatibility_flags = \[(.*)\]/m.exec(toml)?.[1] ?? "";
  return {
    date: /^compatibility_date = "(.*)"/m.exec(toml)?.[1] ?? "",
    flags: [...flags.matchAll(/"([^"]+)"/g)].map(([, flag = ""]) => flag),
  };
}

/** The gateway's Durable Objects, as wrangler.toml has them. */
function objectBindings(): readonly { readonly name: string; readonly className: string }[] {
  const bindings = wranglerToml().matchAll(/^\[\[durable_objects\.bindings\]\]\nname = "(.*)"\nclass_name = "(.*)"/gm);
  return [...bindings].map(([, name = "", className = ""]) => ({ name, className }));
}

/** Whether the script is the gateway's, with its Durable Objects, and no bare worker. */
function hasObjects(script: string): boolean {
  return readFileSync(script, "utf8").includes("COORDINATOR");
}

function configFor(
  { bindings, isolates = 1, kvBytesPerMs, v8Flags = [] }: WorkerOptions,
  { hasObjects, folder }: { readonly hasObjects: boolean; readonly folder: string },
): string {
  const { date, flags } = compatibility();
  const compatible = `compatibilityDate = "${date}", compatibilityFlags = ${JSON.stringify(flags)}`;
  const texts = Object.entries(bindings).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`);
  const objects = hasObjects ? objectBindings() : [];
  const namespaces = objects.map(
    ({ name, className }) =>
      `(name = "${name}", durableObjectNamespace = (className = "${className}", serviceName = "main"))`,
  );
  const classes = objects.map(
    ({ className }) => `(className = "${className}", uniqueKey = "${className}", enableSql = true)`,
  );
  const all = [...texts, '(name = "CACHE", kvNamespace = "kv")', ...namespaces].join(", ");
  const names = Array.from({ length: isolates }, (_, index) => (index === 0 ? "main" : `main${index}`));
  const services = names.map(
    (name) => `(name = "${name}", worker = (
      modules = [(name = "main.js", esModule = embed "main.js")],
      bindings = [${all}],
      ${name === "main" ? `durableObjectNamespaces = [${classes.join(", ")}], durableObjectStorage = (localDisk = "objects"),` : ""}
      ${compatible},
    ))`,
  );
  const sockets = names.map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")},
    (name = "kv", worker = (
      modules = [(name = "kv.js", esModule = embed "kv.js")],
      bindings = [${kvBytesPerMs === undefined ? "" : `(name = "BYTES_PER_MS", text = "${kvBytesPerMs}")`}],
      ${compatible},
    )),
    (name = "internet", network = (allow = ["local"])),
    (name = "objects", disk = (path = ${JSON.stringify(folder)}, writable = true)),
  ],
  sockets = [${sockets.join(", ")}, (name = "kv", address = "127.0.0.1:0", http = (), service = "kv")],
  v8Flags = ${JSON.stringify(v8Flags)},
);
`;
}

/** The high-water mark of a process' resident memory (Linux); 0 where it has ended. */
export function peakBytes(pid: number): number {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What all threads of a process have used (Linux: the first number of a thread's schedstat, in nanoseconds). */
export function cpuMicroseconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // A thread that has ended since the folder was read.
    }
  }
  return nanoseconds / 1000;
}
