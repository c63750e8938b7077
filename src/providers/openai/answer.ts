import * as z from "zod/mini";
import type { Choice, FinishReason, GenerationChunk, JsonObject, JsonValue, Usage } from "../../generation.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";

const count = z.int().check(z.nonnegative());
const usageSchema = z.catch(
  z.nullish(z.looseObject({ prompt_tokens: count, completion_tokens: count, total_tokens: count })),
  undefined,
);
const textSchema = z.looseObject({ content: z.nullish(z.string()) });
/** Parsed from JSON text, so it is JSON. */
const json = z.optional(z.custom<JsonValue>());
const choiceFields = {
  index: z.catch(z.int(), 0),
  finish_reason: z.nullish(z.string()),
  logprobs: json,
};

/** The least that an answer must be to be understood (https://platform.openai.com/docs/api-reference/chat/object). */
const completionSchema = z.object({
  model: json,
  choices: z.array(z.object({ ...choiceFields, message: textSchema })).check(z.minLength(1), z.maxLength(128)),
  usage: usageSchema,
});
const chunkSchema = z.object({
  model: json,
  choices: z.array(z.object({ ...choiceFields, delta: z.catch(textSchema, {}) })).check(z.maxLength(128)),
  usage: usageSchema,
});

export interface Completion {
  readonly model?: string;
  readonly choices: readonly [Choice, ...Choice[]];
  readonly usage?: Usage;
}

/** A `chat.completion` object as the domain has it. Throws `UpstreamFailure` (wire): `malformed`, or `truncated` without a finish reason. */
export function completionFrom(value: JsonValue): Completion {
  const parsed = completionSchema.safeParse(value);
  if (!parsed.success) throw UpstreamFailure.wire("malformed");
  const { model, usage } = parsed.data;
  const [first, ...rest] = parsed.data.choices
    .toSorted((a, b) => a.index - b.index)
    .map(({ message, finish_reason, logprobs }): Choice => {
      const finishReason = finishReasonFrom(finish_reason);
      if (!finishReason) throw UpstreamFailure.wire("truncated");
      return {
        content: message.content ?? "",
        finishReason,
        extra: extraFrom(message),
        logprobs: logprobs ?? undefined,
      };
    });
  if (!first) throw UpstreamFailure.wire("malformed");
  return { model: modelFrom(model), choices: [first, ...rest], usage: usageFrom(usage) };
}

/** The pieces in a `chat.completion.chunk` object, one per choice; undefined where it is none. `choices` is how many may come. */
export function chunksFrom(value: JsonValue, choices: number): GenerationChunk[] | undefined {
  const parsed = chunkSchema.safeParse(value);
  if (!parsed.success || parsed.data.choices.some(({ index }) => index < 0 || index >= choices)) return undefined;
  const model = modelFrom(parsed.data.model);
  const usage = usageFrom(parsed.data.usage);
  const pieces = parsed.data.choices.map(({ index, delta, finish_reason, logprobs }): GenerationChunk => {
    return {
      choice: index,
      delta: delta.content ?? "",
      extra: extraFrom(delta),
      logprobs: logprobs ?? undefined,
      finishReason: finishReasonFrom(finish_reason),
      model,
    };
  });
  const last = pieces.pop() ?? (usage && { choice: 0, delta: "", model });
  return last ? [...pieces, { ...last, usage }] : [];
}

/** Names are for showing; a provider that sends a book instead is cut short. */
function modelFrom(name: JsonValue | undefined): string | undefined {
  return typeof name === "string" && name !== "" ? name.slice(0, 200) : undefined;
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

function finishReasonFrom(name: string | null | undefined): FinishReason | undefined {
  return name ? finishReasonsByName.get(name) : undefined;
}

function usageFrom(usage: z.infer<typeof usageSchema>): Usage | undefined {
  if (!usage) return undefined;
  const details = nonEmpty({
    prompt_tokens_details: usage.prompt_tokens_details,
    completion_tokens_details: usage.completion_tokens_details,
  });
  return {
    totalTokens: usage.total_tokens,
    split: { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens },
    details,
  };
}

/** What a message or delta holds besides role and text, without the members that say nothing. */
function extraFrom({ role: _role, content: _content, ...rest }: Record<string, unknown>): JsonObject | undefined {
  return nonEmpty(rest);
}

function nonEmpty(members: Record<string, unknown>): JsonObject | undefined {
  const entries = Object.entries(members).filter((entry): entry is [string, JsonValue] => !isEmptyValue(entry[1]));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function isEmptyValue(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
}
