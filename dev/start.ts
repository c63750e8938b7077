/**
 * `npm run dev [-- --ai-service URL] [--port N]`: the gateway under `wrangler dev` and, where none runs, a stand-in for the AI
 * service. `npm run dev:python` is `--python`: the Python service in the stand-in's place.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs, parseEnv } from "node:util";
import { startAiService } from "./ai-service.ts";
import { isTaken } from "./ports.ts";
import { PythonError } from "./python-environment.ts";
import { startPythonService } from "./python-service.ts";

const defaultPort = 8787;
const aiServicePort = 50052;

/** Something that the person at the terminal can put right; printed as one line. */
class UserError extends Error {}

interface Options {
  readonly port: number;
  /** As given on the command line. */
  readonly aiServiceUrl?: string;
  readonly python: boolean;
}

try {
  await run(readOptions());
} catch (error) {
  console.error(error instanceof UserError || error instanceof PythonError ? error.message : error);
  process.exitCode = 1;
}

function readOptions(): Options {
  let values: { port?: string; "ai-service"?: string; python?: boolean };
  try {
    ({ values } = parseArgs({
      options: { port: { type: "string" }, "ai-service": { type: "string" }, python: { type: "boolean" } },
    }));
  } catch (error) {
    throw new UserError(
      `${error instanceof Error ? error.message : error} Known: --port N, --ai-service URL, --python.`,
    );
  }
  const port = Number(values.port ?? defaultPort);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UserError("--port takes a number from 1 to 65535.");
  const aiServiceUrl = values["ai-service"];
  if (aiServiceUrl !== undefined && !/^https?:$/.test(URL.parse(aiServiceUrl)?.protocol ?? "")) {
    throw new UserError("--ai-service takes an http or https URL, for example http://127.0.0.1:50052.");
  }
  const python = values.python ?? false;
  if (python && aiServiceUrl !== undefined) throw new UserError("--python and --ai-service exclude each other.");
  return { port, aiServiceUrl, python };
}

async function run({ port, aiServiceUrl, python }: Options): Promise<void> {
  if (await isTaken(port)) {
    throw new UserError(
      `Port ${port} of 127.0.0.1 is taken. Stop what listens there, or choose another: npm run dev -- --port N`,
    );
  }
  const aiService = python ? await choosePythonService() : await chooseAiService(aiServiceUrl);
  const wrangler = startWrangler(port, aiService.variables);
  const exit = once(wrangler, "exit");
  let wasAsked = false;
  const stop = () => {
    wasAsked = true;
    wrangler.kill("SIGINT");
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    const hasExited = new AbortController();
    wrangler.once("exit", () => hasExited.abort());
    if (await answers(`http://127.0.0.1:${port}`, hasExited.signal))
      announce(`http://127.0.0.1:${port}`, aiService.description);
    await exit;
  } finally {
    await aiService.started?.close();
  }
  if (!wasAsked) throw new UserError("The gateway stopped by itself; wrangler said why above.");
}

interface AiServiceChoice {
  readonly description: string;
  /** What the gateway must be told, as wrangler's `--var` takes it. */
  readonly variables: readonly string[];
  /** What this process has started itself. */
  readonly started?: { readonly close: () => Promise<void> };
}

/** The one that was asked for, else the one of `.dev.vars` or `.env`, else what listens on the port, else a stand-in there. */
async function chooseAiService(asked: string | undefined): Promise<AiServiceChoice> {
  if (asked !== undefined) {
    return { description: `${asked} (--ai-service)`, variables: [`QINGYU_AI_PYTHON_SERVICE_URL:${asked}`] };
  }
  // Where there is a .dev.vars, wrangler does not read .env.
  const file = [".dev.vars", ".env"].find(existsSync);
  const ownVariables = file === undefined ? {} : parseEnv(readFileSync(file, "utf8"));
  const ownName = Object.keys(ownVariables).find(
    (name) => /^(QINGYU_AI_)?PYTHON_(AI_)?(SERVICE_)?(URL|HOST|GRPC_PORT)$/.test(name) && ownVariables[name],
  );
  if (ownName) return { description: `as ${ownName} in ${file} says`, variables: [] };
  const variables = [`PYTHON_AI_SERVICE_URL:http://127.0.0.1:${aiServicePort}`];
  if (await isTaken(aiServicePort)) {
    return { description: `http://127.0.0.1:${aiServicePort} (what already listens there)`, variables };
  }
  const standIn = await startAiService({ port: aiServicePort });
  return { description: `${standIn.url} (the embedded stand-in)`, variables, started: standIn };
}

async function choosePythonService(): Promise<AiServiceChoice> {
  const service = await startPythonService();
  return {
    description: `${service.url} (the Python service)`,
    variables: [`PYTHON_AI_SERVICE_URL:${service.url}`],
    started: service,
  };
}

function startWrangler(port: number, variables: readonly string[]): ChildProcess {
  const bin = join(import.meta.dirname, "../node_modules/wrangler/bin/wrangler.js");
  const args = [
    "dev",
    "--ip",
    "127.0.0.1",
    "--port",
    String(port),
    "--inspector-port",
    "0",
    "--show-interactive-dev-session=false",
  ];
  for (const variable of variables) args.push("--var", variable);
  return spawn(process.execPath, [bin, ...args, "--log-level", "log"], {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      WRANGLER_SEND_METRICS: "false",
      // Without its banner wrangler asks no registry whether there is a newer one.
      WRANGLER_HIDE_BANNER: "true",
      // The gateway reads nothing of `request.cf`, which wrangler would fetch from Cloudflare first.
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
    },
  });
}

/** True once the gateway answers; false once `gaveUp` is aborted, since a poll that goes on would keep the process alive. */
async function answers(url: string, gaveUp: AbortSignal): Promise<boolean> {
  while (!gaveUp.aborted) {
    const isUp = await fetch(`${url}/health/live`, {
      signal: AbortSignal.any([gaveUp, AbortSignal.timeout(1000)]),
    }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return true;
    await pause(100);
  }
  return false;
}

function announce(url: string, aiService: string): void {
  console.log(`
Ready.
  gateway     ${url}   (OpenAI's base URL: ${url}/v1)
  API docs    ${url}/docs
  AI service  ${aiService}

Try it:
  curl ${url}/v1/chat/completions -H 'content-type: application/json' -d '{"messages":[{"role":"user","content":"夜雨落在青石巷，"}]}'

For the real services, put PYTHON_AI_SERVICE_URL and OPENAI_API_KEY into .env (see .env.example). Ctrl-C stops everything.
`);
}
