/** `node dev/check-imports.ts`: holds the code in `src/` to the table of rooms in ARCHITECTURE.md. Quiet when all is well. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

interface Row {
  /** What the rooms of this row may use, and whether its types only. */
  readonly allowed: ReadonlyMap<string, { readonly typesOnly: boolean }>;
  readonly used: Set<string>;
}

interface Use {
  readonly what: string;
  /** The entries of a row that would allow it. */
  readonly allowedBy: readonly string[];
  readonly isType: boolean;
}

const rows = readTable(readFileSync("ARCHITECTURE.md", "utf8"));
/** An entry with a capital letter is no import but a name, such as `KVNamespace`, that other rooms may not write. */
const guarded = new Set([...rows.values()].flatMap(({ allowed }) => [...allowed.keys()].filter(isName)));
const files = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts"));

const complaints = files.flatMap((file) => {
  const room = roomOf(file);
  const row = rows.get(room);
  if (!row) return [`\`${room}\` has no row`];
  return usesOf(file, readFileSync(`src/${file}`, "utf8")).flatMap(({ what, allowedBy, isType }) => {
    const entry = allowedBy.find((each) => row.allowed.has(each));
    if (entry !== undefined) row.used.add(entry);
    if (entry === undefined) return [`src/${file} may not use ${what}: it is not in the row of \`${room}\``];
    if (isType || !row.allowed.get(entry)?.typesOnly) return [];
    return [`src/${file} may use only types of ${what}, says the row of \`${room}\``];
  });
});
for (const [room, { allowed, used }] of rows) {
  if (!files.some((file) => roomOf(file) === room)) complaints.push(`\`${room}\` is no room: take its row out`);
  for (const entry of allowed.keys()) {
    if (!used.has(entry)) complaints.push(`nothing in \`${room}\` uses \`${entry}\`: take it out of its row`);
  }
}
const circle = circleFrom([...rows.keys()]);
if (circle) complaints.push(`rooms go round in a circle: ${circle.join(" -> ")}`);
if (complaints.length > 0) {
  console.error("ARCHITECTURE.md's table of rooms and the code differ; mend the one that is wrong:");
  for (const complaint of new Set(complaints)) console.error(`  ${complaint}`);
  process.exitCode = 1;
}

/** The rows by room: what the first cell of a row names shares what its last cell allows. */
function readTable(document: string): Map<string, Row> {
  const section = /^## Rooms$(.*?)^## /ms.exec(document)?.[1] ?? "";
  const cells = [...section.matchAll(/^\| (`.+`) \|.*\| (.*) \|$/gm)];
  return new Map(
    cells.flatMap(([, names = "", may = ""]) => {
      const allowed = [...may.matchAll(/(types of )?`([^`]+)`/g)].map(
        ([, typesOf, entry = ""]) => [entry, { typesOnly: typesOf !== undefined }] as const,
      );
      const row: Row = { allowed: new Map(allowed), used: new Set() };
      return [...names.matchAll(/`([^`]+)`/g)].map(([, room = ""]) => [room, row] as const);
    }),
  );
}

/** Rooms that use each other, also for types only, so that neither can be understood first. */
function circleFrom(
  next: readonly string[],
  path: readonly string[] = [],
  seen = new Set<string>(),
): string[] | undefined {
  for (const entry of next.filter((each) => /\.ts$|\/$/.test(each))) {
    const room = rows.has(entry) ? entry : roomOf(entry);
    if (path.includes(room)) return [...path.slice(path.indexOf(room)), room];
    if (seen.has(room)) continue;
    seen.add(room);
    const found = circleFrom([...(rows.get(room)?.allowed.keys() ?? [])], [...path, room], seen);
    if (found) return found;
  }
  return undefined;
}

function isName(entry: string): boolean {
  return /[A-Z]/.test(entry);
}

/** A file's own row, else that of its folder; folders within it are rooms of their own. */
function roomOf(file: string): string {
  const folder = posix.dirname(file);
  return rows.has(file) ? file : folder === "." ? "*.ts" : `${folder}/`;
}

/** What a file uses outside its own room. */
function usesOf(file: string, text: string): Use[] {
  const imports = text.matchAll(/^(?:import|export)\b([^;"]*?)\bfrom "(.+?)"|\bimport\(?\s*"(.+?)"/gm);
  const uses = [...imports].map(([, names = "", from, bare]): Use => {
    const what = from ?? bare ?? "";
    const isType = /^\s*type\b/.test(names) || /^\s*\{(\s*type [^,}]+,?)+\s*\}\s*$/.test(names);
    if (!what.startsWith(".")) {
      const steps = what.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"));
      return { what, allowedBy: steps, isType };
    }
    const target = posix.join(posix.dirname(file), what);
    return { what: `src/${target}`, allowedBy: [target, roomOf(target)], isType };
  });
  const code = text.replace(/\/\*.*?\*\/|\/\/.*?$/gms, "");
  const names = new Set(code.match(/\w+/g)?.filter((name) => guarded.has(name)));
  for (const name of names) uses.push({ what: name, allowedBy: [name], isType: false });
  return uses.filter(({ allowedBy }) => !allowedBy.includes(roomOf(file)));
}
