import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { findPython, PythonError, python } from "../../dev/python-environment.ts";
import { callPlatform, platformCalls } from "../support/platform-calls.ts";
import { freePort } from "../support/ports.ts";

const root = join(import.meta.dirname, "../..");

/** `npm run dev:python` to its end. */
async function startPython(settings: Record<string, string>): Promise<{ exitCode: number; output: string }> {
  const args = [join(root, "dev/start.ts"), "--python", "--port", String(await freePort())];
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, env: { ...process.env, ...settings } }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : 0, output: `${stdout}${stderr}`.trim() });
    });
  });
}

it.each(["SERVICE_PORT", "GRPC_PORT"])("does not take whoever answers on %s for its service", async (name) => {
  // As ready as any service of this kind.
  const stranger = createServer((_, answer) => answer.end('{"ready":true}')).listen(0, "127.0.0.1");
  onTestFinished(() => void stranger.close());
  await once(stranger, "listening");
  const address = stranger.address();
  const port = typeof address === "object" ? String(address?.port) : "";
  const ports = { SERVICE_PORT: String(await freePort()), GRPC_PORT: String(await freePort()) };
  const { exitCode, output } = await startPython({ ...ports, [name]: port });
  expect([exitCode, output]).toEqual([
    1,
    expect.stringMatching(`^Port ${port} \\(${name}\\) of 127.0.0.1 is taken, [^\\n]* set ${name} to another port\\.$`),
  ]);
});

/** `npm run dev:python` with a knowledge base of its own, until it has printed a text; ends with the test. */
async function devPython(more: Record<string, string>, text: string) {
  const [http, rpc, port] = [await freePort(), await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), "qingyu-python-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const settings = { SERVICE_PORT: String(http), GRPC_PORT: String(rpc), MILVUS_URI: folder, ...more };
  const env = { ...process.env, CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false", ...settings };
  const dev = spawn(process.execPath, [join(root, "dev/start.ts"), "--python", "--port", String(port)], {
    cwd: root,
    env,
  });
  const exited = once(dev, "exit");
  onTestFinished(async () => {
    dev.kill("SIGTERM");
    await exited;
  });
  let output = "";
  for await (const said of dev.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    output += said;
    if (output.includes(text)) break;
  }
  dev.stdout.resume();
  return { output, rpc, env, url: `http://127.0.0.1:${port}` };
}

it("finds its service where it listens", async () => {
  const { output, rpc } = await devPython({ SERVICE_HOST: "127.0.0.2" }, "(the Python service)");
  expect(output).toContain(`AI service  http://127.0.0.2:${rpc} (the Python service)`);
});

it("serves the platform's clients, and finds its service where it listens everywhere", async () => {
  const { output, rpc, env, url } = await devPython({ SERVICE_HOST: "0.0.0.0" }, "Ready.");
  expect(output).toContain(`AI service  http://127.0.0.1:${rpc} (the Python service)`);
  const index = ["-m", "qingyu_ai", "index", "--project", "demo-project", "dev/demo-project.json"];
  await promisify(execFile)(python, index, { cwd: root, env });
  const answers = await Promise.all(platformCalls.map(([path, body]) => callPlatform(url, path, body)));
  expect(answers).toMatchObject(platformCalls.map(([, , expected]) => expected));
}, 60_000);

it("says why its service did not start", async () => {
  const { exitCode, output } = await startPython({ SERVICE_PORT: "none", GRPC_PORT: String(await freePort()) });
  expect(exitCode).toBe(1);
  expect(output).toMatch(/^SERVICE_PORT: [^\n]*\nThe Python service did not start; it said why above\.$/);
});

it("says which Python is too old", () => {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-python-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [version, isTaken] of [
    ["3.10.14", false],
    ["2.7.18", false],
    ["3.11.0", true],
    ["4.0.0", true],
  ] as const) {
    const python = join(folder, version);
    writeFileSync(python, `#!/bin/sh\nprintf ${version}\n`);
    chmodSync(python, 0o755);
    if (isTaken) expect(findPython(python)).toBe(python);
    else
      expect(() => findPython(python)).toThrow(
        new PythonError(
          `The Python service needs Python 3.11 or newer; ${python} is ${version}. Set PYTHON to a newer one, such as PYTHON=python3.12.`,
        ),
      );
  }
  expect(() => findPython("/nowhere/python")).toThrow("3.11 or newer; /nowhere/python is not there.");
});
