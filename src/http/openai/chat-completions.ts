import { streamOf, wholeOf } from "../../collect.ts";
import type { Choice, GenerationRequest, Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { openAiError } from "../envelopes.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import type { ChatCompletion, ChatCompletionChunk } from "./answers.ts";
import {
  type ChatCompletionCall,
  chatCompletionRequest,
  fromChatCompletionRequest,
} from "./chat-completions-request.ts";

/** `POST /v1/chat/completions` (https://platform.openai.com/docs/api-reference/chat). */
export const chatCompletions: Codec<
  typeof chatCompletionRequest,
  GenerationRequest,
  GenerationAnswer,
  ChatCompletionCall
> = {
  body: chatCompletionRequest,
  decode: fromChatCompletionRequest,
  check: requireWithinLimits,
  whole: chatCompletion,
  encoder: chatCompletionEncoder,
};

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
export function usageOf(usage: Usage | undefined): ChatCompletion["usage"] {
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
  let head = { id: `chatcmpl-${requestId}`, object: "chat.completion.chunk" as const, created: 0, model: "" };
  /** The head as text, which is the same for hundreds of events. */
  let opening = "";
  let usage: Usage | undefined;
  const begun = new Set<number>();
  const closing = includeUsage ? `],"usage":null}` : "]}";
  const setHead = (more: Partial<typeof head>) => {
    head = { ...head, ...more };
    opening = `${JSON.stringify(head).slice(0, -1)},"choices":[`;
  };

  return {
    begin(answer) {
      const stream = streamOf(answer);
      setHead({ created: Math.floor(stream.createdAtMs / 1000), model: stream.model });
      return stream;
    },
    chunk({ choice: index, delta: content, extra, logprobs, finishReason, ...chunk }) {
      if (chunk.model !== undefined && chunk.model !== head.model) setHead({ model: chunk.model });
      usage = chunk.usage ?? usage;
      if (content === "" && !extra && !finishReason && logprobs === undefined) return "";
      const role = begun.has(index) ? undefined : { role: "assistant" as const, content: "" };
      begun.add(index);
      const choice: ChatCompletionChunk["choices"][number] = {
        index,
        delta: { ...role, ...(content !== "" && { content }), ...extra },
        logprobs: logprobs ?? null,
        finish_reason: finishReason ?? null,
      };
      return sseEvent(`${opening}${JSON.stringify(choice)}${closing}`);
    },
    end() {
      const last: ChatCompletionChunk = { ...head, choices: [], usage: usageOf(usage) };
      return `${includeUsage ? sseEvent(JSON.stringify(last)) : ""}${sseEvent("[DONE]")}`;
    },
    error: (error) => sseEvent(JSON.stringify(openAiError(error, requestId))),
  };
}
