import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseEnv } from "node:util";
import { isTaken } from "./ports.ts";
import { ensureEnvironment, PythonError, python } from "./python-environment.ts";

export interface RunningPythonService {
  /** Of AIService over Connect and gRPC-Web. */
  readonly url: string;
  /** Lets it drain, for DRAIN_SECONDS at most. */
  readonly close: () => Promise<void>;
}

/**
 * The Python service with the settings of the environment and `.env`, once it is ready. Throws `PythonError` where its
 * ports are somebody else's, or it cannot be started; then it has said why on the terminal.
 */
export async function startPythonService(): Promise<RunningPythonService> {
  ensureEnvironment();
  const settings = { ...(existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {}), ...process.env };
  const httpPort = Number(settings.SERVICE_PORT || 8000);
  const rpcPort = Number(settings.GRPC_PORT || 50_052);
  const host = hostToAsk(settings.SERVICE_HOST);
  // Whoever listens there would answer in the place of the service that is started here.
  for (const [name, port] of Object.entries({ SERVICE_PORT: httpPort, GRPC_PORT: rpcPort })) {
    // What is no port is the service's to refuse.
    if (port > 0 && port < 65_536 && (await isTaken(port, host))) {
      throw new PythonError(
        `Port ${port} (${name}) of ${host} is taken, so what answers there is not the service that this command ` +
          `starts. Stop it, or set ${name} to another port.`,
      );
    }
  }
  const service = spawn(python, ["-m", "qingyu_ai"], { stdio: ["ignore", "inherit", "inherit"] });
  const exited = once(service, "exit");
  const health = `http://${inUrl(host)}:${httpPort}/api/v1/health/ready`;
  for (let answered = false; !answered; ) {
    answered = await isReady(health);
    // Looked at after the answer: a service that has ended did not give it.
    if (service.exitCode !== null || service.signalCode !== null) {
      throw new PythonError("The Python service did not start; it said why above.");
    }
    if (!answered) await pause(100);
  }
  let isWanted = true;
  void exited.then(() => {
    if (isWanted) console.log("The Python service has stopped by itself; the gateway goes on without it.");
  });
  return {
    url: `http://${inUrl(host)}:${rpcPort}`,
    async close() {
      isWanted = false;
      service.kill("SIGTERM");
      await exited;
    },
  };
}

/** Where a service answers that listens on SERVICE_HOST; one that listens everywhere does so on loopback too. */
function hostToAsk(serviceHost = ""): string {
  const everywhere: Readonly<Record<string, string>> = { "": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1" };
  return everywhere[serviceHost.trim()] ?? serviceHost.trim();
}

function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function isReady(url: string): Promise<boolean> {
  return await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}
