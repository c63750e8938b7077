import type { Choice, Generation, GenerationStream, JsonValue, Usage } from "../../generation.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";

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

/** OpenAI's `chat.completion.chunk` objects as server-sent events, and the closing `[DONE]`. */
export function chatCompletionEncoder(stream: GenerationStream, requestId: string, includeUsage: boolean): Encoder {
  const head = {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion.chunk",
    created: Math.floor(stream.createdAtMs / 1000),
  };
  let model = stream.model;
  let usage: Usage | undefined;
  const begun = new Set<number>();
  const event = (choices: JsonValue) =>
    sseEvent(JSON.stringify({ ...head, model, choices, ...(includeUsage && { usage: null }) }));

  return {
    chunk(chunk) {
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      const role = begun.has(chunk.choice) ? undefined : { role: "assistant", content: "" };
      const text = chunk.delta === "" ? undefined : { content: chunk.delta };
      if (!text && !chunk.extra && !chunk.finishReason && chunk.logprobs === undefined) return "";
      begun.add(chunk.choice);
      return event([
        {
          index: chunk.choice,
          delta: { ...role, ...text, ...chunk.extra },
          logprobs: chunk.logprobs ?? null,
          finish_reason: chunk.finishReason ?? null,
        },
      ]);
    },
    end() {
      const last = sseEvent(JSON.stringify({ ...head, model, choices: [], usage: usageOf(usage) }));
      return `${includeUsage ? last : ""}${sseEvent("[DONE]")}`;
    },
  };
}
