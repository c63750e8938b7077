import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface Bundle {
  /** The worker, one ES module, with its source map beside it (`.map`). */
  readonly path: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

/** Builds the gateway as `npm run deploy` does; not minified, functions keep the shape that a profile needs. Gone when this process ends. */
export function buildBundle({ minify }: { readonly minify: boolean }): Bundle {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-bundle-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const options = ["--dry-run", "--env", "production", "--outdir", folder, ...(minify ? ["--minify"] : [])];
  execFileSync("wrangler", ["deploy", ...options], { stdio: ["ignore", "ignore", "inherit"] });
  const path = join(folder, "index.js");
  const text = readFileSync(path);
  return { path, bytes: text.length, gzipBytes: gzipSync(text).length };
}
