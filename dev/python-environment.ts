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
 * `PythonError` where no Python is new enough, or the packages cannot be installed.
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

/**
 * A Python that is new enough: the named one, else the first of the usual names. Throws `PythonError` with the versions
 * that were found where there is none.
 */
export function findPython(named = process.env.PYTHON): string {
  const seen: string[] = [];
  for (const name of named ? [named] : ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]) {
    const version = versionOf(name);
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major > 3 || (major === 3 && minor >= 11)) return name;
    if (version) seen.push(`${name} is ${version}`);
  }
  const found = seen.join(", ") || `${named ?? "python3"} is not there`;
  throw new PythonError(
    `The Python service needs Python 3.11 or newer; ${found}. Set PYTHON to a newer one, such as PYTHON=python3.12.`,
  );
}

/** Such as 3.11.7; blank where it is no Python. */
function versionOf(program: string): string {
  const print = "import sys; sys.stdout.write('%d.%d.%d' % sys.version_info[:3])";
  const { stdout, status } = spawnSync(program, ["-c", print], { encoding: "utf8" });
  return status === 0 && /^\d+\.\d+\.\d+$/.test(stdout) ? stdout : "";
}

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  if (status !== 0) throw new PythonError(`'${program} ${args.slice(0, 3).join(" ")} ...' failed; it said why above.`);
}
