import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { findPython, PythonError } from "../../dev/python-environment.ts";
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

it.each([
  ["127.0.0.2", "127.0.0.2"],
  ["0.0.0.0", "127.0.0.1"],
])("finds its service where it listens, on %s", async (SERVICE_HOST, asked) => {
  const [http, rpc, port] = [await freePort(), await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), "qingyu-python-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const settings = { SERVICE_HOST, SERVICE_PORT: String(http), GRPC_PORT: String(rpc), MILVUS_URI: folder };
  const dev = spawn(process.execPath, [join(root, "dev/start.ts"), "--python", "--port", String(port)], {
    cwd: root,
    env: { ...process.env, ...settings },
  });
  const exited = once(dev, "exit");
  onTestFinished(async () => {
    dev.kill("SIGTERM");
    await exited;
  });
  let output = "";
  for await (const text of dev.stdout.setEncoding("utf8")) {
    output += text;
    if (output.includes("(the Python service)")) break;
  }
  expect(output).toContain(`AI service  http://${asked}:${rpc} (the Python service)`);
});

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
