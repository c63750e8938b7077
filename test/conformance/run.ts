/**
 * `npm run test:conformance [-- server|client [--trace ...]]`: the public suite for Connect
 * (https://github.com/connectrpc/conformance) against the gateway's server and against the client that asks the AI service,
 * both in workerd. Needs Go. Fails where a case does that is not in `client-known-failing.txt`, or one that is holds.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildWorker } from "../../bench/bundle.ts";
import { installSuite } from "./suite.ts";

const [side, ...options] = process.argv.slice(2);
const { runner } = installSuite();
// Only now that there is all that is imported; `npm run check:code` leaves this folder out.
execFileSync("tsc", ["-p", import.meta.dirname], { stdio: "inherit" });
for (const mode of side === undefined ? ["server", "client"] : [side]) {
  const { path } = buildWorker(fileOf(`workers/${mode}.ts`), { minify: true });
  const known = ["--mode", mode, "--conf", fileOf(`${mode}.yaml`)];
  if (mode === "client") known.push("--known-failing", `@${fileOf("client-known-failing.txt")}`);
  const program = [process.execPath, fileOf(`${mode}.ts`), path];
  console.log(`\n${mode}:`);
  const { status } = spawnSync(runner, [...known, ...options, "--", ...program], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}

function fileOf(name: string): string {
  return join(import.meta.dirname, name);
}
