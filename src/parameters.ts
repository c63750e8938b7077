import { isExactInteger } from "./exact-json.ts";
import type { GenerationRequest, JsonObject, JsonValue, Message } from "./generation.ts";
import { isJsonList, isJsonObject } from "./json.ts";

/**
 * Every parameter of chat completions that the gateway does not interpret itself
 * (https://platform.openai.com/docs/api-reference/chat/create, and what client libraries put beside it), once: whether a
 * request that has it *needs* a provider that has it, or whether it *may* be left out, since the answer answers the same
 * question without it. A name that is not here is needed.
 */
interface Parameter {
  readonly is: "needed" | "optional";
  /** Whether a value asks for what happens anyway. Empty ones always do. */
  readonly saysNothing?: (value: JsonValue, others: JsonObject) => boolean;
}

const needed: Parameter = { is: "needed" };
const optional: Parameter = { is: "optional" };

/** Where a parameter stands. */
type Place = "request" | "message" | "part";

const parameters: Readonly<Record<Place, ReadonlyMap<string, Parameter>>> = {
  request: new Map<string, Parameter>([
    ["audio", needed],
    ["function_call", { ...needed, saysNothing: (value, { functions }) => isChoice(value) && isEmpty(functions) }],
    ["functions", needed],
    ["logit_bias", needed],
    ["logprobs", { ...needed, saysNothing: (value) => value === false }],
    ["metadata", optional],
    ["modalities", { ...needed, saysNothing: (value) => isJsonList(value) && value.every((kind) => kind === "text") }],
    ["n", { ...needed, saysNothing: (value) => value === 1 }],
    // OpenAI itself refuses it without tools.
    ["parallel_tool_calls", { ...optional, saysNothing: (value, { tools }) => value === true || isEmpty(tools) }],
    ["prediction", optional],
    ["prompt_cache_key", optional],
    ["prompt_cache_retention", optional],
    ["reasoning_effort", optional],
    ["response_format", needed],
    ["safety_identifier", optional],
    ["service_tier", { ...optional, saysNothing: (value) => value === "auto" }],
    ["store", { ...optional, saysNothing: (value) => value === false }],
    ["stream_options", optional],
    // OpenAI itself refuses it without tools.
    ["tool_choice", { ...needed, saysNothing: (value, { tools }) => isChoice(value) && isEmpty(tools) }],
    ["tools", needed],
    ["top_logprobs", { ...needed, saysNothing: (value, { logprobs }) => value === 0 && logprobs !== true }],
    ["verbosity", optional],
    ["web_search_options", needed],
  ]),
  message: new Map<string, Parameter>([
    ["annotations", optional],
    ["audio", needed],
    ["cache_control", optional],
    ["function_call", needed],
    ["provider_specific_fields", optional],
    // What a model thought of an earlier turn, which it is not asked for again.
    ["reasoning", optional],
    ["reasoning_content", optional],
    ["reasoning_details", optional],
    ["refusal", needed],
    ["thinking_blocks", optional],
    ["tool_call_id", needed],
    ["tool_calls", needed],
  ]),
  // Beside a part's type and what that names: `{type: "text", text: ...}`.
  part: new Map<string, Parameter>([
    ["annotations", optional],
    ["cache_control", optional],
    ["logprobs", optional],
  ]),
};

const isChoice = (value: JsonValue) => value === "none" || value === "auto";

function isEmpty(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (isJsonList(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

/**
 * Members without those that say nothing: null (as in OpenAI's API, that is the same as absent), and of what is known here
 * what is empty or asks for what happens anyway. Undefined where none is left.
 */
export function saying(members: JsonObject, place: Place): JsonObject | undefined {
  const said: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(members)) {
    if (value === null) continue;
    const parameter = parameters[place].get(name);
    if (parameter && (isEmpty(value) || parameter.saysNothing?.(value, members))) continue;
    said.push([name, place === "message" && parameter ? withoutNulls(value) : value]);
  }
  return said.length > 0 ? Object.fromEntries(said) : undefined;
}

/** Client libraries write a tool's call with all members that it could have. */
function withoutNulls(value: JsonValue): JsonValue {
  if (isJsonList(value)) return value.map(withoutNulls);
  if (!isJsonObject(value) || isExactInteger(value)) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([name, member]) => [name, withoutNulls(member)]));
}

/** The first member of a message beside name and text that a provider of text cannot carry and must not leave out. */
export function neededInMessage(message: Message): string | undefined {
  return membersOf(message).find(({ parameter }) => parameter?.is !== "optional")?.path;
}

/** The same of a request beside its messages. */
export function neededInRequest({ extra }: GenerationRequest): string | undefined {
  return Object.keys(extra ?? {}).find((name) => parameters.request.get(name)?.is !== "optional");
}

/** What a provider of text leaves out of a request, each once, by its path. */
export function optionalParameters({ messages, extra }: GenerationRequest): string[] {
  const names = Object.keys(extra ?? {}).filter((name) => parameters.request.get(name)?.is === "optional");
  for (const message of messages) {
    for (const { path, parameter } of membersOf(message))
      if (parameter?.is === "optional") names.push(`messages.${path}`);
  }
  return [...new Set(names)];
}

/** A message's members beside name and text, and those of its parts of text. */
function membersOf({ content, extra }: Message): { path: string; parameter: Parameter | undefined }[] {
  const found = Object.keys(extra ?? {}).map((path) => ({ path, parameter: parameters.message.get(path) }));
  if (typeof content === "string" || content === null) return found;
  for (const part of content) {
    if (part.type !== "text") continue;
    for (const name of Object.keys(part)) {
      if (name === "type" || name === "text") continue;
      found.push({ path: `content.${name}`, parameter: parameters.part.get(name) });
    }
  }
  return found;
}
