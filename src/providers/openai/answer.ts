import type { Choice, FinishReason, JsonObject, JsonValue, Usage } from "../../generation.ts";
import { hasAtMost, isJsonList, isJsonObject } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { isTokenCount, usageOf } from "../../usage.ts";
import { finishReasonOf } from "../finish-reason.ts";
import { modelNameIn } from "../model.ts";
import { errorInAnswer, type Parameters } from "../wire/told-error.ts";
import { type Content, contentIn } from "./content.ts";
import { isSaid, toolCallsIn, wholeToolCalls } from "./tool-calls.ts";

/*
 * Read by hand and not by a schema: it is done for each token, and costs a fifth of what zod needs where nothing can be
 * compiled (docs/performance.md).
 */

export interface Completion {
  readonly model?: string;
  readonly choices: readonly [Choice, ...Choice[]];
  readonly usage?: Usage;
  readonly hasGap?: true;
}

/** More are nobody's answer. */
const maxChoices = 128;

/** What is carried verbatim is held and written value by value: of tool calls and such, and of the probabilities of 4,000 tokens. */
const [maxExtraValues, maxLogprobValues] = [20_000, 700_000];

/** A choice of an answer or of a piece of it. */
export interface ReadChoice extends Content {
  readonly index: number;
  readonly finishReason?: FinishReason;
  readonly logprobs?: JsonValue;
  /** What its `message` or `delta` holds besides role and content. */
  readonly extra?: JsonObject;
}

/** A `chat.completion` object as the domain has it (https://platform.openai.com/docs/api-reference/chat/object). Throws `UpstreamFailure`: the error that it says instead, or wire `malformed`, or `truncated` without a finish reason. */
export function completionFrom(value: JsonValue, sent: Parameters): Completion {
  const read = isJsonObject(value) ? choicesIn(value.choices, "message") : undefined;
  if (!read || read.length === 0) throw errorInAnswer(value, sent) ?? UpstreamFailure.wire("malformed");
  const [first, ...rest] = read
    .toSorted((a, b) => a.index - b.index)
    .map(({ text, extra, hasGap, finishReason, logprobs }): Choice => {
      if (hasGap && text === "" && !extra) throw UpstreamFailure.wire("malformed");
      if (!finishReason) throw UpstreamFailure.wire("truncated");
      return { content: text, finishReason, extra: extra && asMessage(extra), logprobs };
    });
  if (!first || !isJsonObject(value)) throw UpstreamFailure.wire("malformed");
  const hasGap = read.some((choice) => choice.hasGap) || undefined;
  return { model: modelNameIn(value.model), choices: [first, ...rest], usage: usageFrom(value.usage), hasGap };
}

/** A whole message's tool calls are in order, whatever numbers a server gives them. */
function asMessage(extra: JsonObject): JsonObject {
  const calls = extra.tool_calls === undefined ? undefined : toolCallsIn(extra.tool_calls);
  return calls ? { ...extra, tool_calls: wholeToolCalls(calls) } : extra;
}

/** The choices in an answer's or event's list of them; undefined where it is none. */
export function choicesIn(value: JsonValue | undefined, said: "message" | "delta"): ReadChoice[] | undefined {
  if (!isJsonList(value) || value.length > maxChoices) return undefined;
  const read: ReadChoice[] = [];
  for (const choice of value) {
    if (!isJsonObject(choice)) return undefined;
    const { index, finish_reason, logprobs } = choice;
    const message = choice[said] ?? choice[said === "delta" ? "message" : "delta"] ?? choice.text;
    if (!hasAtMost(maxExtraValues, message) || !hasAtMost(maxLogprobValues, logprobs)) return undefined;
    const { text, extra, hasGap } = messageIn(message);
    read.push({
      index: typeof index === "number" && Number.isSafeInteger(index) ? index : 0,
      finishReason: typeof finish_reason === "string" ? finishReasonOf(finish_reason) : undefined,
      logprobs: logprobs ?? undefined,
      text,
      extra,
      hasGap,
    });
  }
  return read;
}

/** A message or delta. Some servers say a stream's as `message`, or as the older API's `text`. */
function messageIn(message: JsonValue | undefined): Content & Pick<ReadChoice, "extra"> {
  if (!isJsonObject(message)) return contentIn(message);
  const { content } = message;
  if (typeof content === "string") return { text: content, extra: extraFrom(message) };
  const { text, reasoning, hasGap } = contentIn(content);
  const extra = extraFrom(message);
  return { text, hasGap, extra: reasoning === undefined ? extra : { reasoning_content: reasoning, ...extra } };
}

/** Absent where it is not a full count, or says nothing: some servers send zeros for what they have not counted. */
export function usageFrom(value: JsonValue | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details } = value;
  const usage = usageOf({
    promptTokens: prompt_tokens,
    completionTokens: completion_tokens,
    totalTokens: total_tokens,
  });
  if (!usage || usage.totalTokens === 0) return undefined;
  if (!prompt_tokens_details && !completion_tokens_details) return usage;
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
  const said = entries.filter((entry): entry is [string, JsonValue] => isSaid(entry[1]));
  return said.length > 0 ? Object.fromEntries(said) : undefined;
}
