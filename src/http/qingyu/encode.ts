import { streamOf, wholeOf } from "../../collect.ts";
import type { FinishReason, Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { envelopes, qingyuSuccess } from "../envelopes.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import type { GenerateAnswer, GenerateDoneEvent, GenerateErrorEvent, GenerateMessageEvent } from "./answers.ts";

/** A generation as data in the platform's envelope. */
export async function generateAnswer(answer: GenerationAnswer, requestId: string): Promise<GenerateAnswer> {
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
function usageOf(usage: Usage | undefined): GenerateAnswer["data"]["usage"] {
  return usage?.split ? { ...usage.split, totalTokens: usage.totalTokens } : null;
}

/** Events `message`, then `done` or `error`. */
export function generateEncoder(requestId: string): Encoder<GenerationAnswer> {
  let provider = "";
  let model = "";
  // Every complete answer has one.
  let finishReason: FinishReason = "stop";
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
      return chunk.delta === ""
        ? ""
        : sseEvent(JSON.stringify({ delta: chunk.delta } satisfies GenerateMessageEvent), "message");
    },
    end() {
      const tokensUsed = usage?.totalTokens ?? null;
      const done: GenerateDoneEvent = { model, finishReason, tokensUsed, usage: usageOf(usage), provider, requestId };
      return sseEvent(JSON.stringify(done), "done");
    },
    error({ kind, message }) {
      const failed: GenerateErrorEvent = { code: envelopes[kind].qingyuCode, message, requestId };
      return sseEvent(JSON.stringify(failed), "error");
    },
  };
}
