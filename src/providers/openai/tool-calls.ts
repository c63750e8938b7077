import type { JsonObject, JsonValue } from "../../generation.ts";
import { isJsonList, isJsonObject } from "../../json.ts";

/*
 * The one place where the tool calls of an answer are put in order, so that a live stream, a collected one and a cached one
 * say the same. OpenAI numbers them, says id and name once and then only how the arguments go on
 * (https://platform.openai.com/docs/api-reference/chat-streaming); other servers repeat names, say "" or null for what they
 * do not say, number all calls 0, or number none.
 */

/** A call that has begun. */
interface Begun {
  readonly index: number;
  id?: string;
  name?: string;
  type?: JsonValue;
  hasArguments: boolean;
}

/** Puts the tool calls of one choice's deltas in order. */
export type ToolCallOrder = (items: readonly JsonObject[]) => JsonObject[];

/** Each item that comes out has its call's number, and says what is new about the call; those that say nothing are left out. */
export function createToolCallOrder(): ToolCallOrder {
  const calls: Begun[] = [];
  const byIndex = new Map<JsonValue, Begun>();
  const byId = new Map<string, Begun>();

  function begin(): Begun {
    const call: Begun = { index: calls.length, hasArguments: false };
    calls.push(call);
    return call;
  }

  /** The call that an item without a known number or id is about: one without a name of its own goes on with one that has begun. */
  function otherwise(name: string | undefined, place: number | undefined): Begun {
    const before = place === undefined ? calls.at(-1) : calls[place];
    return name === undefined && before ? before : begin();
  }

  /** `place` is the item's in a delta with several. */
  function callOf({ index, id, name }: Said, place: number | undefined): Begun {
    const sameIndex = index === undefined ? undefined : byIndex.get(index);
    const sameId = id === undefined ? undefined : byId.get(id);
    // Where all calls have one id, a new number with a name is another call.
    const known = index === undefined || sameIndex || name === undefined ? (sameId ?? sameIndex) : undefined;
    const isAnother = known && (differ(known.id, id) || (known.hasArguments && differ(known.name, name)));
    let call = isAnother ? begin() : known;
    call ??= id === undefined ? otherwise(name, index === undefined ? place : undefined) : begin();
    if (index !== undefined) byIndex.set(index, call);
    if (id !== undefined) byId.set(id, call);
    return call;
  }

  return (items) =>
    items.flatMap((item, at) => {
      const said = saidIn(item);
      const call = callOf(said, items.length > 1 ? at : undefined);
      const news = newsOf(said, call);
      call.id ??= said.id;
      call.name = said.name ?? call.name;
      call.type = said.type ?? call.type;
      call.hasArguments ||= said.hasArguments;
      return Object.keys(news).length > 0 ? [{ index: call.index, ...news }] : [];
    });
}

/** The tool calls of a whole message, each of them a call of its own whatever number it has. */
export function wholeToolCalls(items: readonly JsonObject[]): JsonObject[] {
  return items.flatMap((item) => {
    const call = newsOf(saidIn(item), undefined);
    return Object.keys(call).length > 0 ? [call] : [];
  });
}

/** A list of tool calls, or the only one; undefined where something of it is none. */
export function toolCallsIn(value: JsonValue): readonly JsonObject[] | undefined {
  if (!isJsonList(value)) return isJsonObject(value) ? [value] : undefined;
  return value.every(isJsonObject) ? value : undefined;
}

/** What an item says of a call, without what it does not say. */
interface Said {
  readonly index?: JsonValue;
  readonly id?: string;
  readonly type?: JsonValue;
  readonly name?: string;
  readonly hasArguments: boolean;
  /** The function or custom tool that is called, by the name of the item's member. */
  readonly called?: readonly [kind: string, called: JsonObject];
  readonly rest: JsonObject;
}

function saidIn({ index, id, type, ...members }: JsonObject): Said {
  const rest = withoutEmpty(members);
  const kind = isJsonObject(rest.function) ? "function" : "custom";
  const { [kind]: called, ...others } = rest;
  const said = { index: index ?? undefined, id: textOf(id), type: isSaid(type) ? type : undefined };
  if (!isJsonObject(called)) return { ...said, rest, hasArguments: false };
  const { arguments: args } = called;
  // Some servers have parsed them already.
  const texts = isJsonObject(args) ? { ...called, arguments: JSON.stringify(args) } : called;
  const ownRest = withoutEmpty(texts, saidThoughEmpty);
  const name = textOf(called.name);
  return { ...said, name, hasArguments: isSaid(ownRest.arguments), called: [kind, ownRest], rest: others };
}

/** What is new in an item to those who know what has been said of its call. */
function newsOf({ id, type, name, called, rest }: Said, before: Begun | undefined): JsonObject {
  const [kind, { name: _, ...own }] = called ?? ["function", {}];
  const news = { ...(name !== undefined && name !== before?.name && { name }), ...(before ? withoutEmpty(own) : own) };
  return {
    ...(id !== undefined && id !== before?.id && { id }),
    ...(type !== undefined && type !== before?.type && { type }),
    ...(Object.keys(news).length > 0 && { [kind]: news }),
    ...rest,
  };
}

/** A call of a function without parameters has no arguments, and says so. */
const saidThoughEmpty: ReadonlySet<string> = new Set(["arguments", "input"]);

const differ = (one: string | undefined, other: string | undefined) =>
  one !== undefined && other !== undefined && one !== other;

/** Ids are numbers here and there. */
function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "number" || (typeof value === "string" && value !== "") ? String(value) : undefined;
}

/** Whether a value says anything: "", null, empty lists and objects do not. */
export function isSaid(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === "") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

function withoutEmpty(members: JsonObject, evenEmpty: ReadonlySet<string> = new Set()): JsonObject {
  const said = Object.entries(members).filter(([name, value]) =>
    evenEmpty.has(name) ? value !== null : isSaid(value),
  );
  return Object.fromEntries(said);
}
