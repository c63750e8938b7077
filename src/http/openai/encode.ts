import { streamOf, wholeOf } from "../../collect.ts";
import type { Choice, Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { openAiError } from "../envelopes.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import type { ChatCompletion, ChatCompletionChunk } from "./answers.ts";
import type { ChatCompletionCall } from "./request.ts";

/** OpenAI's `chat.completion` object. */
export async function chatCompletion(answer: GenerationAnswer, requestId: string): Promise<ChatCompletion> {
  const generation = await wholeOf(answer);
  return {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion",
    created: Math.floor(generation.createdAtMs / 1000),
    model: generation.model,
    choices: generation.choices.map(choiceOf),
    usage: usageOf(generation.usage),
  };
}

function choiceOf(
  { content, finishReason, extra, logprobs }: Choice,
  index: number,
): ChatCompletion["choices"][number] {
  return {
    index,
    message: { role: "assistant", content: content === "" && extra ? null : content, refusal: null, ...extra },
    logprobs: logprobs ?? null,
    finish_reason: finishReason,
  };
}

/** Null where the provider did not report a full count: OpenAI's object has no place for half of one. */
function usageOf(usage: Usage | undefined): ChatCompletion["usage"] {
  if (!usage?.split) return null;
  return {
    prompt_tokens: usage.split.promptTokens,
    completion_tokens: usage.split.completionTokens,
    total_tokens: usage.totalTokens,
    ...usage.details,
  };
}

/** OpenAI's `chat.completion.chunk` objects as server-sent events, and the closing `[DONE]`. */
export function chatCompletionEncoder(
  requestId: string,
  { includeUsage }: ChatCompletionCall,
): Encoder<GenerationAnswer> {
  let created = 0;
  let model = "";
  let usage: Usage | undefined;
  const begun = new Set<number>();
  const event = (choices: ChatCompletionChunk["choices"], more: Pick<ChatCompletionChunk, "usage">) =>
    sseEvent(
      JSON.stringify({
        id: `chatcmpl-${requestId}`,
        object: "chat.completion.chunk",
        created,
        model,
        choices,
        ...more,
      } satisfies ChatCompletionChunk),
    );
  const noUsage = includeUsage ? { usage: null } : {};

  return {
    begin(answer) {
      const stream = streamOf(answer);
      created = Math.floor(stream.createdAtMs / 1000);
      model = stream.model;
      return stream;
    },
    chunk(chunk) {
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      const role = begun.has(chunk.choice) ? undefined : { role: "assistant" as const, content: "" };
      const text = chunk.delta === "" ? undefined : { content: chunk.delta };
      if (!text && !chunk.extra && !chunk.finishReason && chunk.logprobs === undefined) return "";
      begun.add(chunk.choice);
      const choice = {
        index: chunk.choice,
        delta: { ...role, ...text, ...chunk.extra },
        logprobs: chunk.logprobs ?? null,
        finish_reason: chunk.finishReason ?? null,
      };
      return event([choice], noUsage);
    },
    end: () => `${includeUsage ? event([], { usage: usageOf(usage) }) : ""}${sseEvent("[DONE]")}`,
    error: (error) => sseEvent(JSON.stringify(openAiError(error, requestId))),
  };
}
