import { streamOf, wholeOf } from "../../collect.ts";
import type { FinishReason, Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { envelopes, qingyuSuccess } from "../envelopes.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";

/** A generation as data in the platform's envelope. */
export async function generateAnswer(answer: GenerationAnswer, requestId: string) {
  const { choices, model, usage, createdAtMs, provider } = await wholeOf(answer);
  const [{ content, finishReason }] = choices;
  const data = {
    content,
    model,
    tokensUsed: usage?.totalTokens ?? null,
    finishReason,
    generatedAt: new Date(createdAtMs).toISOString(),
    usage: usageOf(usage),
    provider,
  };
  return qingyuSuccess(data, requestId);
}

/** Null where the provider did not report it, never zeros. */
function usageOf(usage: Usage | undefined) {
  return usage?.split ? { ...usage.split, totalTokens: usage.totalTokens } : null;
}

/** Events `message`, then `done` or `error`. */
export function generateEncoder(requestId: string): Encoder<GenerationAnswer> {
  let provider = "";
  let model = "";
  let finishReason: FinishReason | undefined;
  let usage: Usage | undefined;
  return {
    begin(answer) {
      ({ provider, model } = answer);
      return streamOf(answer);
    },
    chunk(chunk) {
      finishReason = chunk.finishReason ?? finishReason;
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      return chunk.delta === "" ? "" : sseEvent(JSON.stringify({ delta: chunk.delta }), "message");
    },
    end() {
      const tokensUsed = usage?.totalTokens ?? null;
      const done = { model, finishReason, tokensUsed, usage: usageOf(usage), provider, requestId };
      return sseEvent(JSON.stringify(done), "done");
    },
    error: ({ kind, message }) =>
      sseEvent(JSON.stringify({ code: envelopes[kind].qingyuCode, message, requestId }), "error"),
  };
}
