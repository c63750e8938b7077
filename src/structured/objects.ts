import type { JsonObject, JsonValue } from "../generation.ts";
import { endOfString, isJsonObject, JsonBeyondLimits, parseJson } from "../json.ts";

/** A plan of a thousand chapters; reading more would keep everybody else waiting. */
const maxWeight = 400_000;
const maxObjects = 20;

/** As DeepSeek, Qwen and others write what they think; the opening tag may have been part of the prompt. */
const thoughtTag = /<(\/?)think(?:ing)?>/gi;

/** An object of a text, or why one that begins there is none: completes "The object ...". */
export type Found = { readonly object: JsonObject } | { readonly reason: string };

/**
 * The whole objects that stand in a text and in no other object, in their order, twenty at most: what language models write
 * has prose, fences and thoughts around it. A text, or what follows a thought, that is nothing but an object is that object,
 * whatever its strings hold. An object that is broken is skipped with all that is in it, and never completed: what was cut
 * would look whole.
 */
export function* objectsIn(text: string): Generator<Found> {
  const [thoughtEnd] = text.matchAll(/<\/think(?:ing)?>/gi);
  for (const from of [0, thoughtEnd ? thoughtEnd.index + thoughtEnd[0].length : 0]) {
    const all = text.slice(from).trim();
    const found = all.startsWith("{") && all.endsWith("}") ? read(all) : undefined;
    if (found && "object" in found) {
      yield found;
      return;
    }
  }
  const said = withoutThoughts(text);
  let objects = 0;
  for (let at = said.indexOf("{"); at !== -1 && objects < maxObjects; at = said.indexOf("{", at)) {
    // Prose has braces too.
    if (!/^\{\s*["}]/.test(said.slice(at, at + 200))) {
      at++;
      continue;
    }
    const end = endOfObject(said, at);
    const found = end === undefined ? { reason: "has an end that is not there" } : read(said.slice(at, end));
    objects++;
    yield found;
    at = end ?? said.length;
  }
}

/** Where the object that begins there ends; undefined where it does not. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x7b) depth++;
    else if (code === 0x7d && --depth === 0) return at + 1;
  }
  return undefined;
}

function read(text: string): Found {
  try {
    const object = parseLoosely(text);
    return isJsonObject(object) ? { object } : { reason: "is no object" };
  } catch (error) {
    if (error instanceof JsonBeyondLimits) return { reason: error.message };
    return { reason: `is no JSON: ${error instanceof Error ? error.message : ""}` };
  }
}

/** Line breaks within strings are no JSON, but what is meant is plain. Throws what `parseJson` throws. */
function parseLoosely(text: string): JsonValue {
  try {
    return parseJson(text, maxWeight);
  } catch (error) {
    if (error instanceof JsonBeyondLimits) throw error;
    const escaped = withEscapes(text);
    if (escaped === text) throw error;
    return parseJson(escaped, maxWeight);
  }
}

function withEscapes(text: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let quote = text.indexOf('"'); quote !== -1; quote = text.indexOf('"', from)) {
    const end = endOfString(text, quote) + 1;
    parts.push(text.slice(from, quote), text.slice(quote, end).replace(/\p{Cc}/gu, escaped));
    from = end;
  }
  return parts.join("") + text.slice(from);
}

function escaped(control: string): string {
  return JSON.stringify(control).slice(1, -1);
}

/** What is left without thoughts. One without an end goes on to the end, one without a beginning is all before. */
function withoutThoughts(text: string): string {
  const kept: string[] = [];
  let at = 0;
  let isThought = false;
  for (const tag of text.matchAll(thoughtTag)) {
    const isEnd = tag[1] !== "";
    if (!isThought && isEnd) kept.length = 0;
    else if (!isThought) kept.push(text.slice(at, tag.index));
    isThought = !isEnd;
    at = tag.index + tag[0].length;
  }
  if (!isThought) kept.push(text.slice(at));
  return kept.join("\n");
}
