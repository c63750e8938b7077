import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { expect, it } from "vitest";
import { namesOf, settingPaths, settings } from "../../src/config/settings.ts";

/* What "Deploy to Cloudflare" finds in this repository: docs/deploy.md. */

const read = (file: string) => readFileSync(file, "utf8");
const example = read(".dev.vars.example");
const asked = ["GATEWAY_ADMIN_KEYS", "GATEWAY_API_KEYS", "OPENAI_API_KEY"];

it("is asked for the secrets that a gateway needs, without values, and finds every other secret and nothing else beside them", () => {
  expect(parseEnv(example)).toEqual(Object.fromEntries(asked.map((name) => [name, ""])));
  const names = [...example.matchAll(/^(?:# )?([A-Z_]+)=$/gm)].map(([, name]) => name);
  const secrets = settingPaths
    .filter((path) => settings[path].isSecret)
    .map((path) => settings[path].names[0] ?? namesOf(path)[0]);
  expect(names.toSorted()).toEqual(secrets.toSorted());
  // The other file that it would ask by.
  expect(parseEnv(read(".env.example"))).toEqual({});
});

it("has the example from git, and no file with values", () => {
  const isIgnored = (file: string) => spawnSync("git", ["check-ignore", "--quiet", file]).status === 0;
  const files = [".dev.vars.example", ".env.example", ".dev.vars", ".dev.vars.staging", ".env"];
  expect(files.map(isIgnored)).toEqual([false, false, true, true, true]);
});

it("says of each secret that it asks for how to come to it", () => {
  const { cloudflare, scripts } = JSON.parse(read("package.json"));
  for (const name of asked) expect(cloudflare.bindings[name].description).toMatch(/.{20}/);
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["build", "deploy"]));
  expect(read("README.md")).toContain("https://deploy.workers.cloudflare.com/?url=");
});

it.each([
  // What is given by --var is not shown.
  ["in Cloudflare's builds the Worker of no environment, whose ENVIRONMENT is given", "1", "(hidden)"],
  ["elsewhere staging", "", "staging"],
])("deploys %s, with every binding", (_, ci, environment) => {
  const { stdout, stderr, status } = spawnSync("node", ["dev/deploy.ts", "--dry-run"], {
    encoding: "utf8",
    env: { ...process.env, WORKERS_CI: ci, NO_COLOR: "1" },
  });
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain(`env.ENVIRONMENT ("${environment}")`);
  for (const binding of ["CACHE", "COORDINATOR", "KEYS", "ASSETS"]) expect(stdout).toContain(`env.${binding}`);
  expect(read("wrangler.toml")).not.toMatch(/^(preview_)?id = /m);
});
