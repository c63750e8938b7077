import type { Choice, FinishReason, GenerationChunk, JsonObject, JsonValue, Usage } from "../../generation.ts";
import { hasAtMost, isJsonList, isJsonObject } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { isTokenCount, usageOf } from "../../usage.ts";
import { modelNameIn } from "../model.ts";

/*
 * Read by hand and not by a schema: it is done for each token, and costs a fifth of what zod needs where nothing can be
 * compiled (docs/performance.md).
 */

export interface Completion {
  readonly model?: string;
  readonly choices: readonly [Choice, ...Choice[]];
  readonly usage?: Usage;
}

/** More are nobody's answer. */
const maxChoices = 128;

/** What is carried verbatim is held and written value by value: of tool calls and such, and of the probabilities of 4,000 tokens. */
const [maxExtraValues, maxLogprobValues] = [20_000, 700_000];

/** A choice of an answer or of a piece of it. */
interface ReadChoice {
  readonly index: number;
  readonly finishReason?: FinishReason;
  readonly logprobs?: JsonValue;
  /** The choice's `message` or `delta`. */
  readonly said?: JsonValue;
}

/** A `chat.completion` object as the domain has it (https://platform.openai.com/docs/api-reference/chat/object). Throws `UpstreamFailure` (wire): `malformed`, or `truncated` without a finish reason. */
export function completionFrom(value: JsonValue): Completion {
  const read = isJsonObject(value) ? choicesIn(value.choices, "message") : undefined;
  if (!read || !isJsonObject(value)) throw UpstreamFailure.wire("malformed");
  const [first, ...rest] = read
    .toSorted((a, b) => a.index - b.index)
    .map(({ said, finishReason, logprobs }): Choice => {
      const content = isJsonObject(said) ? contentOf(said) : undefined;
      if (content === undefined || !isJsonObject(said)) throw UpstreamFailure.wire("malformed");
      if (!finishReason) throw UpstreamFailure.wire("truncated");
      return { content, finishReason, extra: extraFrom(said), logprobs };
    });
  if (!first) throw UpstreamFailure.wire("malformed");
  return { model: modelNameIn(value.model), choices: [first, ...rest], usage: usageFrom(value.usage) };
}

/** The pieces in a `chat.completion.chunk` object, one per choice; undefined where it is none. `choices` is how many may come. */
export function chunksFrom(value: JsonValue, choices: number): GenerationChunk[] | undefined {
  const read = isJsonObject(value) ? choicesIn(value.choices, "delta") : undefined;
  if (!read || !isJsonObject(value) || read.some(({ index }) => index < 0 || index >= choices)) return undefined;
  const model = modelNameIn(value.model);
  const usage = usageFrom(value.usage);
  if (read.length === 0) return usage ? [{ choice: 0, delta: "", model, usage }] : [];
  const last = read.length - 1;
  return read.map(({ index, said, finishReason, logprobs }, at): GenerationChunk => {
    // A delta that is none says nothing.
    const content = isJsonObject(said) ? contentOf(said) : undefined;
    return {
      choice: index,
      delta: content ?? "",
      extra: content !== undefined && isJsonObject(said) ? extraFrom(said) : undefined,
      logprobs,
      finishReason,
      model,
      usage: at === last ? usage : undefined,
    };
  });
}

/** Undefined where it is no list of choices. */
function choicesIn(value: JsonValue | undefined, said: "message" | "delta"): ReadChoice[] | undefined {
  if (!isJsonList(value) || value.length > maxChoices) return undefined;
  const read: ReadChoice[] = [];
  for (const choice of value) {
    if (!isJsonObject(choice)) return undefined;
    const { index, finish_reason, logprobs } = choice;
    if (finish_reason !== undefined && finish_reason !== null && typeof finish_reason !== "string") return undefined;
    if (!hasAtMost(maxExtraValues, choice[said]) || !hasAtMost(maxLogprobValues, logprobs)) return undefined;
    read.push({
      index: typeof index === "number" && Number.isSafeInteger(index) ? index : 0,
      finishReason: finish_reason ? finishReasonsByName.get(finish_reason) : undefined,
      logprobs: logprobs ?? undefined,
      said: choice[said],
    });
  }
  return read;
}

/** Empty where it is null or absent; undefined where it is no text. */
function contentOf({ content }: JsonObject): string | undefined {
  if (content === undefined || content === null) return "";
  return typeof content === "string" ? content : undefined;
}

/** OpenAI's five, and what other servers of its API say for them. Anything else does not prove that an answer is complete. */
const finishReasonsByName: ReadonlyMap<string, FinishReason> = new Map([
  ["stop", "stop"],
  ["eos", "stop"],
  ["eos_token", "stop"],
  ["stop_sequence", "stop"],
  ["end_turn", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["content_filter", "content_filter"],
  ["tool_calls", "tool_calls"],
  ["function_call", "function_call"],
]);

/** Absent where it is not a full count. */
function usageFrom(value: JsonValue | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details } = value;
  const usage = usageOf({
    promptTokens: prompt_tokens,
    completionTokens: completion_tokens,
    totalTokens: total_tokens,
  });
  if (!usage || (!prompt_tokens_details && !completion_tokens_details)) return usage;
  const details = nonEmpty([
    ["prompt_tokens_details", countsIn(prompt_tokens_details)],
    ["completion_tokens_details", countsIn(completion_tokens_details)],
  ]);
  return { ...usage, details };
}

/** More kinds of tokens are nobody's. */
const maxDetails = 32;

/** The members that are counts. */
function countsIn(value: JsonValue | undefined): JsonObject | undefined {
  if (!isJsonObject(value)) return undefined;
  const counts = Object.entries(value).filter(([name, count]) => /^[a-z_]{1,64}$/.test(name) && isTokenCount(count));
  return counts.length > 0 ? Object.fromEntries(counts.slice(0, maxDetails)) : undefined;
}

/** What a message or delta holds besides role and text, without the members that say nothing. */
function extraFrom(said: JsonObject): JsonObject | undefined {
  const names = Object.keys(said).filter((name) => name !== "role" && name !== "content");
  return names.length > 0 ? nonEmpty(names.map((name) => [name, said[name]])) : undefined;
}

function nonEmpty(entries: readonly (readonly [string, JsonValue | undefined])[]): JsonObject | undefined {
  const said = entries.filter((entry): entry is [string, JsonValue] => !isEmptyValue(entry[1]));
  return said.length > 0 ? Object.fromEntries(said) : undefined;
}

function isEmptyValue(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || value === "" || (isJsonList(value) && value.length === 0);
}
