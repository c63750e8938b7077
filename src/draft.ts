import type { JsonValue } from "./generation.ts";
import { isJsonList, isJsonObject } from "./json.ts";

/**
 * A JSON value that is put together from deltas. What came is shared with others and stays as it is; what must grow is
 * copied once, when the first delta goes on with it, and then grows in place.
 */
export type Draft = JsonValue | ObjectDraft | ListDraft;

type ObjectDraft = Map<string, Draft>;

/** A list, and where in it the first member of each `index` stands. */
class ListDraft {
  readonly items: Draft[] = [];
  readonly places = new Map<JsonValue, number>();

  push(item: JsonValue): void {
    const index = indexOf(item);
    if (index !== undefined && !this.places.has(index)) this.places.set(index, this.items.length);
    this.items.push(item);
  }

  /** List members with an `index` continue the member of that index; others are appended. */
  append(item: JsonValue): void {
    const index = indexOf(item);
    const place = index === undefined ? undefined : this.places.get(index);
    if (place === undefined) this.push(item);
    else this.items[place] = appended(this.items[place], item);
  }
}

/**
 * Members of deltas that are known to come in pieces: texts of messages, thoughts, tool calls and audio, and lists of tool
 * calls, thoughts, annotations and probabilities.
 */
export const comeInPieces: ReadonlySet<string> = new Set([
  "annotations",
  "arguments",
  "content",
  "data",
  "input",
  "reasoning",
  "reasoning_content",
  "reasoning_details",
  "refusal",
  "summary",
  "text",
  "text_offset",
  "thinking",
  "thinking_blocks",
  "token_logprobs",
  "tokens",
  "tool_calls",
  "top_logprobs",
  "transcript",
]);

/**
 * Appends a delta to what came before: OpenAI's streaming rule for everything that is not plain content. `key` is the
 * member's name. Of what is not known to come in pieces the later value counts, unless it says nothing: some servers repeat
 * such members with each delta. Takes time for the delta only, however much came before.
 */
export function appended(before: Draft | undefined, delta: JsonValue, key = ""): Draft {
  if (before === undefined || before === null) return delta;
  if (delta === null || delta === "") return before;
  if (typeof before === "string" && typeof delta === "string") return comeInPieces.has(key) ? before + delta : delta;
  if (isJsonList(delta)) {
    if (delta.length === 0) return before;
    const list = comeInPieces.has(key) ? growingList(before) : undefined;
    for (const item of list ? delta : []) list?.append(item);
    return list ?? delta;
  }
  if (isJsonObject(delta)) {
    const object = growingObject(before);
    if (!object) return delta;
    for (const [name, value] of Object.entries(delta)) object.set(name, appended(object.get(name), value, name));
    return object;
  }
  return delta;
}

/** What a draft has come to. */
export function jsonOf(draft: Draft): JsonValue {
  if (draft instanceof ListDraft) return draft.items.map(jsonOf);
  // A member of any name, `__proto__` too, becomes a member and nothing else.
  if (draft instanceof Map) return Object.fromEntries([...draft].map(([name, value]) => [name, jsonOf(value)]));
  return draft;
}

function growingList(before: Draft): ListDraft | undefined {
  if (before instanceof ListDraft) return before;
  if (before instanceof Map || !isJsonList(before)) return undefined;
  const list = new ListDraft();
  for (const item of before) list.push(item);
  return list;
}

function growingObject(before: Draft): ObjectDraft | undefined {
  if (before instanceof Map) return before;
  return before instanceof ListDraft || !isJsonObject(before) ? undefined : new Map(Object.entries(before));
}

function indexOf(item: JsonValue): JsonValue | undefined {
  return isJsonObject(item) ? item.index : undefined;
}
