/** `npm run deploy [-- --env NAME] [wrangler's own options]`: deploys to staging unless an environment is named. */
import { spawnSync } from "node:child_process";

const args = process.argv.slice(2);
const namesEnvironment = args.some((arg) => arg === "-e" || arg === "--env" || arg.startsWith("--env="));
const deploy = ["deploy", ...(namesEnvironment ? [] : ["--env", "staging"]), ...args];
const { status } = spawnSync("wrangler", deploy, { stdio: "inherit", shell: process.platform === "win32" });
process.exitCode = status ?? 1;
