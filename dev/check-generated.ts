/** `node dev/check-generated.ts [TEMPLATE FOLDER]`: fails where generated code is not what `buf generate` would make of proto/. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [template = "buf.gen.yaml", folder = "src/gen"] = process.argv.slice(2);
const fresh = mkdtempSync(join(tmpdir(), "qingyu-gen-"));
try {
  execFileSync("buf", ["generate", "--template", template, "--output", fresh], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  const stale = difference(folder, join(fresh, folder));
  if (stale.length > 0) {
    console.error(`Not what 'buf generate' makes: ${stale.join(", ")}`);
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
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    // Python leaves compiled files beside its sources.
    (entry) => entry.isFile() && !entry.name.endsWith(".pyc"),
  );
  return new Map(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}
