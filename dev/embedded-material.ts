import type { JsonObject, JsonValue } from "../src/generation.ts";
import { isJsonObject } from "../src/json.ts";

export interface Said {
  readonly role: string;
  readonly content: string;
}

/** What the writer can tell of a piece of work from its conversation. */
export interface Asked {
  /** What the work is about, instructions and everything around it left out. */
  readonly text: string;
  /** How long the answer is to be, in characters, where it is no structure. */
  readonly length?: number;
  /** What the answer is to be, where that was said. */
  readonly schema?: JsonObject;
  /** What was said before the schema. */
  readonly instructions: string;
}

const schemaLine = /JSON Schema[^\n]*\n(\{[^\n]*\})/;
const ownLength = "篇幅与原文相近";
const givenLength = /篇幅约([1-9][0-9]{0,8})字/;
/** A text between tags, as the tasks give it (`src/tasks/material.ts`): nothing in it can look like its end. */
const opening = /(?:^|\n)<([^<>/ \n]+)>\n/;
/** What the text itself is called; what else is there is about it. */
const ownTag = /^(?:原文|正文)[0-9]*$/;
const longest = 50_000;

/** Reads a conversation whose system message shows a JSON Schema or whose end says a length. Undefined for every other one: it is a prompt. */
export function askedIn(messages: readonly Said[]): Asked | undefined {
  const system = contentsOf(messages, "system").join("\n");
  const schema = schemaIn(system);
  const said = contentsOf(messages, "user");
  // What follows the first message says why an answer was no good.
  const wish = (schema ? said[0] : said.at(-1)) ?? "";
  const { parts, rest } = partsIn(wish);
  const own = parts.findLast(({ name }) => ownTag.test(name)) ?? parts.at(-1);
  const text = own?.text ?? taskIn(wish);
  const length = system === "" ? undefined : lengthIn(rest, text);
  if (!schema && length === undefined) return undefined;
  return { text, length, schema, instructions: system.split("JSON Schema")[0] ?? "" };
}

function lengthIn(rest: string, text: string): number | undefined {
  const given = givenLength.exec(rest)?.[1];
  if (given !== undefined) return Math.min(Number(given), longest);
  return rest.includes(ownLength) ? Math.min([...text].length, longest) : undefined;
}

function contentsOf(messages: readonly Said[], role: string): string[] {
  return messages.filter((message) => message.role === role).map(({ content }) => content);
}

function schemaIn(instructions: string): JsonObject | undefined {
  const schema = parsed(schemaLine.exec(instructions)?.[1] ?? "");
  return isJsonObject(schema) ? schema : undefined;
}

/** The texts between tags, one after the other, and what stands around them. */
function partsIn(message: string) {
  const parts: { name: string; text: string }[] = [];
  const around: string[] = [];
  let left = message;
  for (let open = opening.exec(left); open; open = opening.exec(left)) {
    const [all, name = ""] = open;
    const closing = `\n</${name}>`;
    const begin = open.index + all.length;
    const end = left.indexOf(closing, begin);
    if (end === -1) break;
    parts.push({ name, text: left.slice(begin, end) });
    around.push(left.slice(0, open.index));
    left = left.slice(end + closing.length);
  }
  return { parts, rest: [...around, left].join("\n") };
}

/** Material without tags is a JSON object with the author's task in it, or the text itself. */
function taskIn(material: string): string {
  const object = parsed(material);
  return isJsonObject(object) && typeof object.task === "string" ? object.task : material;
}

function parsed(json: string): JsonValue | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
