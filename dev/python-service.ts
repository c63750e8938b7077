import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseEnv } from "node:util";
import { ensureEnvironment, PythonError, python } from "./python-environment.ts";

export interface RunningPythonService {
  /** Of AIService over Connect and gRPC-Web. */
  readonly url: string;
  /** Lets it drain, which takes 10 s at most. */
  readonly close: () => Promise<void>;
}

/**
 * The Python service with the settings of the environment and `.env`, once it is ready. Throws `PythonError` where it
 * cannot be started; it has said why on the terminal.
 */
export async function startPythonService(): Promise<RunningPythonService> {
  ensureEnvironment();
  const settings = { ...(existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {}), ...process.env };
  const service = spawn(python, ["-m", "qingyu_ai"], { stdio: ["ignore", "inherit", "inherit"] });
  const exited = once(service, "exit");
  const health = `http://127.0.0.1:${settings.SERVICE_PORT || 8000}/api/v1/health/ready`;
  while (!(await isReady(health))) {
    if (service.exitCode !== null || service.signalCode !== null) {
      throw new PythonError("The Python service did not start; it said why above.");
    }
    await pause(100);
  }
  let isWanted = true;
  void exited.then(() => {
    if (isWanted) console.log("The Python service has stopped by itself; the gateway goes on without it.");
  });
  return {
    url: `http://127.0.0.1:${settings.GRPC_PORT || 50052}`,
    async close() {
      isWanted = false;
      service.kill("SIGTERM");
      await exited;
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  return await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}
