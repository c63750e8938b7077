/**
 * `node dev/python.ts check|generate|test [REPORTS]`: the Python service's own tasks, in its virtual environment. `test` also
 * runs the gateway's tests against the service, and writes reports for CI into a folder where it is given one.
 */
import { spawnSync } from "node:child_process";
import { delimiter } from "node:path";
import { ensureEnvironment, PythonError, programsFolder, serviceFolder } from "./python-environment.ts";

const [task = "", reports] = process.argv.slice(2);
/** Options that make a program write a report too. */
const reporting = (...options: readonly string[]) => (reports === undefined ? [] : options);
/** Commands of each task and the folder that they run in; each runs even where the one before failed. */
const tasks: Readonly<Record<string, readonly (readonly [string, readonly string[]])[]>> = {
  check: [
    [serviceFolder, ["ruff", "format", "--check", "--quiet", "."]],
    [serviceFolder, ["ruff", "check", "--quiet", "."]],
    [serviceFolder, ["mypy", "--no-error-summary"]],
    [".", ["node", "dev/check-generated.ts", "python_ai_service/buf.gen.yaml", "python_ai_service/src/qingyu_ai/gen"]],
    [serviceFolder, ["python", "dev/docs.py", "--check"]],
  ],
  generate: [
    [".", ["buf", "generate", "--template", "python_ai_service/buf.gen.yaml"]],
    [serviceFolder, ["python", "dev/docs.py"]],
  ],
  test: [
    [serviceFolder, ["pytest", ...reporting(`--junitxml=${reports}/pytest.xml`)]],
    [
      ".",
      [
        "vitest",
        "run",
        "--project",
        "python",
        ...reporting("--reporter=default", "--reporter=json", `--outputFile.json=${reports}/system.json`),
      ],
    ],
  ],
};

const commands = tasks[task];
if (!commands) {
  console.error(`'${task}' is no task. Known: ${Object.keys(tasks).join(", ")}.`);
  process.exit(2);
}
try {
  ensureEnvironment();
  const path = [programsFolder, process.env.PATH].join(delimiter);
  for (const [cwd, [program = "", ...args]] of commands) {
    const { status } = spawnSync(program, args, { cwd, stdio: "inherit", env: { ...process.env, PATH: path } });
    if (status !== 0) process.exitCode = 1;
  }
} catch (error) {
  console.error(error instanceof PythonError ? error.message : error);
  process.exitCode = 1;
}
