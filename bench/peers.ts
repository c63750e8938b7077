import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cpuMicroseconds, peakBytes, type Worker } from "./workerd.ts";

const folder = join(import.meta.dirname, "peers");
const portkey = join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js");

/** Portkey's gateway on Node, as its own command starts it without the web page. It is installed where it is not yet. */
export async function startPortkey(): Promise<Worker> {
  if (!existsSync(portkey)) execFileSync("npm", ["ci", "--ignore-scripts"], { cwd: folder, stdio: "inherit" });
  const startedMs = performance.now();
  const peer = spawn(process.execPath, ["--import", join(folder, "loopback.js"), portkey, "--headless"], {
    env: { ...process.env, NODE_ENV: "production" },
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const kill = () => void peer.kill();
  process.once("exit", kill);
  const control = peer.stdio[3];
  if (!control) throw new Error("the peer has no control descriptor");
  const [printed] = await once(control, "data");
  const port = Number(String(printed));
  return {
    port,
    ports: [port],
    startMs: performance.now() - startedMs,
    cpuMicroseconds: () => cpuMicroseconds(peer.pid ?? 0),
    peakBytes: () => peakBytes(peer.pid ?? 0),
    async stop() {
      process.off("exit", kill);
      const exited = once(peer, "exit");
      kill();
      await exited;
    },
  };
}

/** What tells Portkey to ask the mock as if it were OpenAI. */
export function portkeyHeaders(mockPort: number): Record<string, string> {
  return { "x-portkey-provider": "openai", "x-portkey-custom-host": `http://127.0.0.1:${mockPort}/v1` };
}
