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
  /** As it was asked for, in characters; absent where nothing was said. */
  readonly length?: number;
  /** What the answer is to be, where that was said. */
  readonly schema?: JsonObject;
  /** The most characters of a field, by its name. */
  readonly mostCharacters: ReadonlyMap<string, number>;
}

const schemaLine = /JSON Schema[^\n]*\n(\{[^\n]*\})/;
const fieldLength = /([A-Za-z]+) 不超过([1-9][0-9]{0,8})字/g;
const wholeLength = /篇幅约([1-9][0-9]{0,8})字/;
/** A text between tags, as the tasks give it (`src/tasks/material.ts`): nothing in it can look like its end. */
const opening = /(?:^|\n)<([^<>/ \n]+)>\n/;
/** What the text itself is called; what else is there is about it. */
const ownTag = /^(?:原文|正文)[0-9]*$/;
const longest = 50_000;

/**
 * Reads a conversation of which the last part is material between tags, or whose system message shows a JSON Schema.
 * Undefined for every other one: it is a prompt.
 */
export function askedIn(messages: readonly Said[]): Asked | undefined {
  const instructions = contentsOf(messages, "system").join("\n");
  const schema = schemaIn(instructions);
  const [first = ""] = contentsOf(messages, "user");
  const { parts, rest } = partsIn(first);
  if (!schema && parts.length === 0) return undefined;
  const own = parts.findLast(({ name }) => ownTag.test(name)) ?? parts.at(-1);
  const length = wholeLength.exec(rest)?.[1];
  return {
    text: own?.text ?? taskIn(first),
    length: length === undefined ? undefined : Math.min(Number(length), longest),
    schema,
    mostCharacters: new Map([...instructions.matchAll(fieldLength)].map(([, name = "", most]) => [name, Number(most)])),
  };
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
