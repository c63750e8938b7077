import { execFileSync } from "node:child_process";
import { join } from "node:path";

const module = "connectrpc.com/conformance";
const version = "v1.0.7";

/** Where all that is the suite's own is kept; git ignores it. What is imported of it stands there as JavaScript with types. */
const folder = join(import.meta.dirname, "../../node_modules/.cache/conformance");

/**
 * Gets the suite's runner and protos through the Go module proxy, builds the one, and generates code from the others. Quick
 * where that has been done. Throws an error that says so where Go is missing.
 */
export function installSuite(): { readonly runner: string } {
  // As a version to install, the newest is not looked for: the network is needed once.
  go("install", `${module}/cmd/connectconformance@${version}`);
  const { Dir }: { readonly Dir: string } = JSON.parse(go("mod", "download", "-json", `${module}@${version}`));
  const template = {
    version: "v2",
    clean: true,
    plugins: [{ local: "protoc-gen-es", out: "gen", opt: ["target=js+dts", "import_extension=js"] }],
  };
  const parameters = ["generate", join(Dir, "proto"), "--template", JSON.stringify(template), "--output", folder];
  execFileSync("buf", parameters, { stdio: "inherit" });
  return { runner: join(folder, "connectconformance") };
}

function go(...parameters: readonly string[]): string {
  try {
    return execFileSync("go", parameters, {
      env: { ...process.env, GOBIN: folder },
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
    });
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOENT") throw error;
    throw new Error("The conformance suite's runner is written in Go: install Go 1.26 or newer (https://go.dev/dl).");
  }
}
