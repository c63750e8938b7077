/** Writes what the documents say from the code; with `--check`, only says which of them is stale. */
import { readFileSync, writeFileSync } from "node:fs";
import { failuresTable, finishReasonsTable } from "./failures-text.ts";
import { envMark, withPart } from "./markdown.ts";
import { openApiDocument } from "./openapi.ts";
import { protoComments } from "./proto-comments.ts";
import { routesTable } from "./routes-text.ts";
import { deployButton, exampleText, secretsText, settingsTable } from "./settings-text.ts";

const read = (file: string) => readFileSync(file, "utf8");
const { repository }: { readonly repository?: string } = JSON.parse(read("package.json"));
const openApi = JSON.stringify(await openApiDocument(protoComments()), undefined, 2);
const fresh = new Map([
  [".env.example", withPart(read(".env.example"), "gateway", exampleText(), envMark)],
  [".dev.vars.example", secretsText()],
  ["README.md", withPart(withPart(read("README.md"), "settings", settingsTable()), "deploy", deployButton(repository))],
  ["docs/reliability.md", withPart(read("docs/reliability.md"), "failures", failuresTable())],
  ["docs/answers.md", withPart(read("docs/answers.md"), "finish reasons", finishReasonsTable())],
  ["docs/qingyu.md", withPart(read("docs/qingyu.md"), "routes", routesTable(JSON.parse(openApi).paths))],
  ["public/openapi.json", `${openApi}\n`],
]);
for (const [file, text] of fresh) {
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (read(file) !== text) {
    console.error(`${file} is stale: run 'npm run generate'`);
    process.exitCode = 1;
  }
}
