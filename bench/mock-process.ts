import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface Mock {
  readonly port: number;
  readonly stop: () => void;
}

/** Runs the mock providers in a process of their own. It ends with this process, whatever happens. */
export async function startMock(): Promise<Mock> {
  const mock = spawn(process.execPath, [join(import.meta.dirname, "mock.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = () => void mock.kill();
  process.once("exit", stop);
  const [printed] = await once(mock.stdout, "data");
  return { port: Number(String(printed)), stop };
}
