/** Fails where the code in src/gen is not what `npm run generate` would make of proto/. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fresh = mkdtempSync(join(tmpdir(), "qingyu-gen-"));
try {
  execFileSync("buf", ["generate", "--output", fresh], { stdio: "inherit", shell: process.platform === "win32" });
  const stale = difference("src/gen", join(fresh, "src/gen"));
  if (stale.length > 0) {
    console.error(`Not what 'npm run generate' makes: ${stale.join(", ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true });
}

/** The files below two folders that are not the same in both. */
function difference(a: string, b: string): string[] {
  const [inA, inB] = [filesBelow(a), filesBelow(b)];
  return [...new Set([...inA.keys(), ...inB.keys()])].filter((name) => inA.get(name) !== inB.get(name));
}

function filesBelow(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}
