import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface Bundle {
  /** The worker, one ES module, with its source map beside it (`.map`). */
  readonly path: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

/** Builds the gateway as `npm run deploy` does; not minified, functions keep the shape and names that a profile needs. */
export function buildBundle({ minify }: { readonly minify: boolean }): Bundle {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-bundle-"));
  const options = ["--dry-run", "--env", "production", "--outdir", folder, ...(minify ? ["--minify"] : [])];
  execFileSync("wrangler", ["deploy", ...options], { stdio: ["ignore", "ignore", "inherit"] });
  const path = join(folder, "index.js");
  const text = readFileSync(path);
  return { path, bytes: text.length, gzipBytes: gzipSync(text).length };
}
