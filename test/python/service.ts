import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { python } from "../../dev/python-environment.ts";
import { freePort } from "../support/ports.ts";

export interface PythonService {
  /** Of AIService. */
  readonly url: string;
  readonly process: ChildProcess;
  /** The settings that it runs with, for a second process beside it. */
  readonly settings: Readonly<Record<string, string>>;
  /** What it has logged so far. */
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

/** The Python service in a process of its own, ready, with a knowledge base of its own. Nothing of the machine's settings reaches it. */
export async function startService(more: Record<string, string> = {}): Promise<PythonService> {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-python-"));
  const [http, rpc] = [await freePort(), await freePort()];
  const settings: Record<string, string> = {
    SERVICE_PORT: String(http),
    GRPC_PORT: String(rpc),
    MILVUS_URI: join(folder, "knowledge"),
    ...more,
  };
  let log = "";
  const service = spawn(python, ["-m", "qingyu_ai"], { cwd: folder, env: { ENVIRONMENT: "development", ...settings } });
  const listening = Promise.withResolvers<void>();
  for (const output of [service.stdout, service.stderr]) {
    output.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      if (log.includes('"listening"')) listening.resolve();
    });
  }
  const exited = once(service, "exit");
  void exited.then(() => listening.reject(new Error(`the service ended: ${log}`)));
  await listening.promise;
  return {
    url: `http://127.0.0.1:${rpc}`,
    process: service,
    settings,
    log: () => log,
    async close() {
      service.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
