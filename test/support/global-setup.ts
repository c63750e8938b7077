import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Where the fault servers listen (test/upstreams). */
    readonly upstreamsUrl: string;
  }
}

/** Starts the fault servers in a process of their own, once for the whole run. */
export default async function setup(project: TestProject): Promise<() => void> {
  const child = fork(join(import.meta.dirname, "../upstreams/server.ts"), { execArgv: [] });
  const [{ url }] = await once(child, "message");
  project.provide("upstreamsUrl", url);
  return () => child.disconnect();
}
