import { streamOf, wholeOf } from "../../collect.ts";
import type { FinishReason, GenerationRequest, Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { openAiError } from "../envelopes.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { requireText } from "../text-only.ts";
import type { TextCompletion, TextCompletionChunk } from "./answers.ts";
import { usageOf } from "./chat-completions.ts";
import { type CompletionCall, completionRequest, fromCompletionRequest } from "./completions-request.ts";

/** `POST /v1/completions` (https://platform.openai.com/docs/api-reference/completions), the older form for a text. */
export const completions: Codec<typeof completionRequest, GenerationRequest, GenerationAnswer, CompletionCall> = {
  body: completionRequest,
  decode: fromCompletionRequest,
  check: requireWithinLimits,
  whole: textCompletion,
  encoder: completionEncoder,
};

/** OpenAI's `text_completion` object. */
export async function textCompletion(answer: GenerationAnswer, requestId: string): Promise<TextCompletion> {
  const { choices, createdAtMs, model, usage } = await wholeOf(answer);
  return {
    id: `cmpl-${requestId}`,
    object: "text_completion",
    created: Math.floor(createdAtMs / 1000),
    model,
    choices: choices.map(({ content, finishReason, extra }, index) => {
      requireText({ hasText: content !== "", hasMore: extra !== undefined, finishReason });
      return { text: content, index, logprobs: null, finish_reason: finishReason };
    }),
    usage: usageOf(usage),
  };
}

/** How far one choice of a stream has come. */
interface Progress {
  hasText: boolean;
  hasMore: boolean;
  finishReason: FinishReason;
}

/**
 * OpenAI's `text_completion` chunks as server-sent events, and the closing `[DONE]`. Each piece of text is there under
 * `delta.content` too, and the usage in the chunk that ends the text, since there are clients who look for them there.
 */
export function completionEncoder(requestId: string, { includeUsage }: CompletionCall): Encoder<GenerationAnswer> {
  let head = { id: `cmpl-${requestId}`, object: "text_completion" as const, created: 0, model: "" };
  let usage: Usage | undefined;
  const progress = new Map<number, Progress>();
  const event = (more: Pick<TextCompletionChunk, "choices" | "usage">) =>
    sseEvent(JSON.stringify({ ...head, ...more }));

  return {
    begin(answer) {
      const stream = streamOf(answer);
      head = { ...head, created: Math.floor(stream.createdAtMs / 1000), model: stream.model };
      return stream;
    },
    chunk({ choice: index, delta, extra, finishReason, ...chunk }) {
      if (chunk.model !== undefined) head = { ...head, model: chunk.model };
      usage = chunk.usage ?? usage;
      const before = progress.get(index);
      progress.set(index, {
        hasText: before?.hasText === true || delta !== "",
        hasMore: before?.hasMore === true || extra !== undefined,
        // Every complete answer has one.
        finishReason: finishReason ?? before?.finishReason ?? "stop",
      });
      if (delta === "") return "";
      const choice = { index, text: delta, delta: { content: delta }, logprobs: null, finish_reason: null };
      return event({ choices: [choice], ...(includeUsage && { usage: null }) });
    },
    end() {
      const ends = [...progress].map(([index, { finishReason, ...shown }]) => {
        requireText({ ...shown, finishReason });
        const choice = { index, text: "", delta: {}, logprobs: null, finish_reason: finishReason };
        return event({ choices: [choice], usage: usageOf(usage) });
      });
      const last = includeUsage ? event({ choices: [], usage: usageOf(usage) }) : "";
      return `${ends.join("")}${last}${sseEvent("[DONE]")}`;
    },
    error: (error) => sseEvent(JSON.stringify(openAiError(error, requestId))),
  };
}
