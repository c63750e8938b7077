import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The Python service's folder. */
export const serviceFolder = join(import.meta.dirname, "../python_ai_service");
const environment = join(serviceFolder, ".venv");

/** Where the programs of the virtual environment are. */
export const programsFolder = join(environment, "bin");
/** The virtual environment's Python. */
export const python = join(programsFolder, "python");

/** What is missing or wrong on this machine; the message is for the person at the terminal. */
export class PythonError extends Error {}

/**
 * Makes the service's virtual environment where there is none that fits the lock file: half a minute, once. Throws
 * `PythonError` where there is no Python of at least 3.11, or the packages cannot be installed.
 */
export function ensureEnvironment(): void {
  const lockFile = join(serviceFolder, "requirements-dev.txt");
  const madeFrom = createHash("sha256")
    .update(readFileSync(lockFile))
    .update(readFileSync(join(serviceFolder, "pyproject.toml")))
    .digest("hex");
  const stampFile = join(environment, "made-from");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === madeFrom) return;
  console.log("Making the Python service's virtual environment (half a minute, once) ...");
  run(findPython(), ["-m", "venv", "--clear", environment]);
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  run(python, [...install, "--require-hashes", "--requirement", lockFile]);
  run(python, [...install, "--no-deps", "--no-build-isolation", "--editable", serviceFolder]);
  writeFileSync(stampFile, madeFrom);
}

function findPython(): string {
  const isNewEnough = "import sys; sys.exit(sys.version_info < (3, 11))";
  const names = [process.env.PYTHON, "python3", "python3.13", "python3.12", "python3.11"];
  const found = names.find((name) => name && spawnSync(name, ["-c", isNewEnough], { stdio: "ignore" }).status === 0);
  if (!found) throw new PythonError("The Python service needs Python 3.11 or newer; set PYTHON to where it is.");
  return found;
}

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  if (status !== 0) throw new PythonError(`'${program} ${args.slice(0, 3).join(" ")} ...' failed; it said why above.`);
}
