/**
 * `npm run check:vulnerabilities`: what the package registries know of holes in the locked packages. Fails on those that
 * somebody must act on: high and critical ones of npm, and of Python, whose index tells no severity, those that a newer
 * version mends. A registry that offers no such list is said to offer none.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureEnvironment, python, serviceFolder } from "./python-environment.ts";

/** All of Python's questions together. */
const limitMs = 20_000;
const atOnce = 8;

const judge = (registry: string, known: number, grave: readonly string[]) => {
  console.log(`${registry}: ${known} known vulnerabilities, ${grave.length} to act on`);
  for (const hole of grave) console.error(`  ${hole}`);
  if (grave.length > 0) process.exitCode = 1;
};
const unknown = (registry: string, answer: string) =>
  console.log(`${registry}: the registry offers no list of known vulnerabilities (${answer}); nothing was checked`);

auditNpm();
ensureEnvironment();
await auditPython();

function auditNpm(): void {
  const { stdout } = spawnSync("npm", ["audit", "--json"], { encoding: "utf8", shell: process.platform === "win32" });
  const report: {
    message?: string;
    metadata?: { vulnerabilities: { total: number } };
    vulnerabilities?: Record<string, { severity: string }>;
  } = JSON.parse(stdout);
  if (!report.metadata) {
    unknown("npm", /^\d{3}/.exec(report.message ?? "")?.[0] ?? "no answer");
    return;
  }
  const grave = Object.entries(report.vulnerabilities ?? {}).filter(([, { severity }]) =>
    /high|critical/.test(severity),
  );
  judge(
    "npm",
    report.metadata.vulnerabilities.total,
    grave.map(([name, { severity }]) => `${name}: ${severity}`),
  );
}

/** Asks the index that pip is configured for, or pip's own, for what its JSON says of each locked version. */
async function auditPython(): Promise<void> {
  const ask = [
    "import os, pip._internal.configuration as c, pip._internal.models.index as i",
    "conf = c.Configuration(isolated=False); conf.load()",
    "url = dict(conf.items()).get('global.index-url') or os.environ.get('PIP_INDEX_URL') or i.PyPI.simple_url",
    "print(url.rstrip('/').removesuffix('/simple'))",
  ];
  const { stdout: index } = spawnSync(python, ["-c", ask.join("\n")], { encoding: "utf8" });
  const locked = readFileSync(join(serviceFolder, "requirements-dev.txt"), "utf8");
  const left = [...locked.matchAll(/^([\w.-]+)==([\w.!+-]+)/gm)].map(([, name = "", version = ""]) => ({
    name,
    version,
  }));
  const signal = AbortSignal.timeout(limitMs);
  const grave: string[] = [];
  let known = 0;
  let refusal: string | undefined;
  const askInTurn = async () => {
    for (let next = left.shift(); next && refusal === undefined; next = left.shift()) {
      const { name, version } = next;
      const answer = await fetch(`${index.trim()}/pypi/${name}/${version}/json`, { signal }).catch(() => undefined);
      const said: { vulnerabilities?: { id: string; fixed_in: string[]; withdrawn?: string | null }[] } =
        answer?.ok === true ? await answer.json() : {};
      if (!said.vulnerabilities) refusal ??= answer ? String(answer.status) : "no answer";
      for (const { id, fixed_in: fixedIn, withdrawn } of said.vulnerabilities ?? []) {
        if (withdrawn) continue;
        known++;
        if (fixedIn.length > 0) grave.push(`${name} ${version}: ${id}, mended in ${fixedIn.join(", ")}`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, askInTurn));
  if (refusal === undefined || grave.length > 0) judge("Python", known, grave);
  else unknown("Python", refusal);
}
