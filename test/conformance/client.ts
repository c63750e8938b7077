/**
 * `node client.ts SCRIPT`, as the runner starts it: hands each call that it is told to make to the built worker, in which
 * the transport runs, and tells what came of it
 * (https://github.com/connectrpc/conformance/blob/v1.0.7/docs/testing_clients.md).
 */
import { startWorker } from "../../bench/workerd.ts";
import { delimited, delimitedMessages } from "./delimited.ts";

const [script = ""] = process.argv.slice(2);
process.once("SIGTERM", () => process.exit());

/** Many of the calls only wait. */
const maxAtOnce = 16;

const onLog = (text: string) => void process.stderr.write(text);
const worker = await startWorker({ script, bindings: {}, readyPath: "/", onLog });
const calls = new Set<Promise<void>>();
for await (const call of delimitedMessages(process.stdin)) {
  if (calls.size >= maxAtOnce) await Promise.race(calls);
  const made = make(call).finally(() => calls.delete(made));
  calls.add(made);
}
await Promise.all(calls);
await worker.stop();

async function make(call: Buffer): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${worker.port}/`, { method: "POST", body: new Uint8Array(call) });
  if (!response.ok) throw new Error(`the worker failed: ${await response.text()}`);
  process.stdout.write(delimited(await response.bytes()));
}
