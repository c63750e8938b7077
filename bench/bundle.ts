import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import { gzipSync } from "node:zlib";
import { compatibility } from "./workerd.ts";

export interface Bundle {
  /** The worker, one ES module, with its source map beside it (`.map`). */
  readonly path: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

export interface BundleOptions {
  /** Where it is not, functions keep the shape that a profile needs. */
  readonly minify: boolean;
}

/** Builds the gateway as `npm run deploy` does. Gone when this process ends. */
export function buildBundle(options: BundleOptions): Bundle {
  return build("index.js", ["--env", "production"], options);
}

/** Builds one of the workers that the gateway is measured against, with what it imports, in the same way. */
export function buildWorker(script: string, options: BundleOptions): Bundle {
  const { date, flags } = compatibility();
  // A file of its own, so that the project's with its bindings is not found.
  const config = join(temporaryFolder(), "wrangler.json");
  writeFileSync(config, JSON.stringify({ name: "bench", compatibility_date: date, compatibility_flags: flags }));
  return build(`${parse(script).name}.js`, [script, "--config", config], options);
}

function build(name: string, parameters: readonly string[], { minify }: BundleOptions): Bundle {
  const folder = temporaryFolder();
  const options = ["--dry-run", "--outdir", folder, ...(minify ? ["--minify"] : [])];
  execFileSync("wrangler", ["deploy", ...parameters, ...options], { stdio: ["ignore", "ignore", "inherit"] });
  const path = join(folder, name);
  const text = readFileSync(path);
  return { path, bytes: text.length, gzipBytes: gzipSync(text).length };
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "qingyu-bundle-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
