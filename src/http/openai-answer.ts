import { chunksOf } from "../answer.ts";
import type { Answer, Choice, Generation, GenerationChunk, JsonValue, Usage } from "../generation.ts";
import { sseEvent } from "./event-stream.ts";

/** OpenAI's `chat.completion` object. */
export function chatCompletion(generation: Generation, requestId: string) {
  return {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion",
    created: Math.floor(generation.createdAtMs / 1000),
    model: generation.model,
    choices: generation.choices.map(choiceOf),
    usage: usageOf(generation.usage),
  };
}

function choiceOf({ content, finishReason, extra, logprobs }: Choice, index: number) {
  return {
    index,
    message: { role: "assistant", content: content === "" && extra ? null : content, refusal: null, ...extra },
    logprobs: logprobs ?? null,
    finish_reason: finishReason,
  };
}

/** Null where the provider did not report a full count: OpenAI's object has no place for half of one. */
function usageOf(usage: Usage | undefined) {
  if (!usage?.split) return null;
  return {
    prompt_tokens: usage.split.promptTokens,
    completion_tokens: usage.split.completionTokens,
    total_tokens: usage.totalTokens,
    ...usage.details,
  };
}

/**
 * OpenAI's `chat.completion.chunk` objects as server-sent events, and the closing `[DONE]`. `onChunk` sees every chunk of the answer.
 * Throws what the answer's chunks throw, without a `[DONE]`.
 */
export async function* chatCompletionEvents(
  answer: Answer,
  requestId: string,
  includeUsage: boolean,
  onChunk: (chunk: GenerationChunk) => void,
): AsyncGenerator<string> {
  const head = {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion.chunk",
    created: Math.floor(answer.createdAtMs / 1000),
  };
  let model = answer.model;
  let usage: Usage | undefined;
  const begun = new Set<number>();
  const event = (choices: JsonValue) =>
    sseEvent(JSON.stringify({ ...head, model, choices, ...(includeUsage && { usage: null }) }));

  for await (const chunk of chunksOf(answer)) {
    onChunk(chunk);
    model = chunk.model ?? model;
    usage = chunk.usage ?? usage;
    const role = begun.has(chunk.choice) ? undefined : { role: "assistant", content: "" };
    const text = chunk.delta === "" ? undefined : { content: chunk.delta };
    if (!text && !chunk.extra && !chunk.finishReason && chunk.logprobs === undefined) continue;
    begun.add(chunk.choice);
    yield event([
      {
        index: chunk.choice,
        delta: { ...role, ...text, ...chunk.extra },
        logprobs: chunk.logprobs ?? null,
        finish_reason: chunk.finishReason ?? null,
      },
    ]);
  }
  if (includeUsage) yield sseEvent(JSON.stringify({ ...head, model, choices: [], usage: usageOf(usage) }));
  yield sseEvent("[DONE]");
}
