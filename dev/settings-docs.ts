/** Writes `.dev.vars.example` and the README's table of settings; with `--check`, only says which of them is stale. */
import { readFileSync, writeFileSync } from "node:fs";
import { exampleFile, withTable } from "./settings-text.ts";

const readme = readFileSync("README.md", "utf8");
const fresh = new Map([
  [".dev.vars.example", exampleFile()],
  ["README.md", withTable(readme)],
]);
for (const [file, text] of fresh) {
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    console.error(`${file} is stale: run 'npm run generate'`);
    process.exitCode = 1;
  }
}
