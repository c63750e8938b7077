/**
 * `npm run deploy [-- --env NAME] [wrangler's own options]`: deploys to staging unless an environment is named. Cloudflare's
 * own builds (`WORKERS_CI`), where "Deploy to Cloudflare" leads, deploy the one Worker whose bindings and secrets they have
 * made, which is that of no environment; it is deployed as production.
 */
import { spawnSync } from "node:child_process";

const args = process.argv.slice(2);
const namesEnvironment = args.some((arg) => arg === "-e" || arg === "--env" || arg.startsWith("--env="));
const unnamed = process.env.WORKERS_CI ? ["--env=", "--var", "ENVIRONMENT:production"] : ["--env", "staging"];
const deploy = ["deploy", ...(namesEnvironment ? [] : unnamed), ...args];
const { status } = spawnSync("wrangler", deploy, { stdio: "inherit", shell: process.platform === "win32" });
process.exitCode = status ?? 1;
