import { streamOf, wholeOf } from "../../collect.ts";
import type { FinishReason, GenerationRequest, Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import type { Asked } from "../call.ts";
import { qingyuSuccess } from "../envelopes.ts";
import { acceptsEvents, type Encoder, sseEvent } from "../event-stream.ts";
import { languageOf } from "../language.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { requireText } from "../text-only.ts";
import type { GenerateAnswer, GenerateDoneEvent, GenerateMessageEvent } from "./answers.ts";
import { errorEvent } from "./error-event.ts";
import { fromGenerateRequest, generateRequest, isContinuation } from "./generate-request.ts";
import { optionNames } from "./options.ts";
import { type TextCall, textAnswer, textEncoder, usageIn } from "./text-answers.ts";

/** What the platform calls OpenAI's parameters. */
const names = {
  ...optionNames,
  max_completion_tokens: "options.maxTokens",
  stop: "options.stop",
  seed: "options.seed",
};

interface GenerateCall extends Asked<GenerationRequest> {
  /** How a text that goes on is answered; absent where a conversation does. */
  readonly text?: Pick<TextCall, "form" | "textName">;
}

/** `POST /api/v1/ai/generate`. */
export const generate: Codec<typeof generateRequest, GenerationRequest, GenerationAnswer, GenerateCall> = {
  body: generateRequest,
  decode(body, headers) {
    const asked = { request: fromGenerateRequest(body), stream: body.options?.stream ?? acceptsEvents(headers) };
    if (isContinuation(body)) {
      const form = { isBare: false, language: languageOf(headers) };
      const text = { form, textName: "generated_text" };
      return { ...asked, names: { ...names, messages: "currentText" }, text };
    }
    return { ...asked, names: body.messages ? names : { ...names, messages: "prompt" } };
  },
  check: requireWithinLimits,
  isImpatient: true,
  whole: (answer, requestId, { text }, record) =>
    text ? textAnswer(answer, text, "continued", record) : generateAnswer(answer, requestId),
  encoder: (requestId, { text }) => (text ? textEncoder(requestId) : generateEncoder(requestId)),
};

/** A generation as data in the platform's envelope. */
export async function generateAnswer(answer: GenerationAnswer, requestId: string): Promise<GenerateAnswer> {
  const { choices, model, usage, createdAtMs, provider } = await wholeOf(answer);
  const [{ content, finishReason, extra }] = choices;
  requireText({ hasText: content !== "", hasMore: extra !== undefined, finishReason });
  const data = {
    content,
    model,
    tokensUsed: usage?.totalTokens ?? null,
    finishReason,
    generatedAt: new Date(createdAtMs).toISOString(),
    usage: usageIn(usage),
    provider,
  };
  return qingyuSuccess(data, requestId);
}

/** Events `message`, then `done` or `error`. */
export function generateEncoder(requestId: string): Encoder<GenerationAnswer> {
  let provider = "";
  let model = "";
  // Every complete answer has one.
  let finishReason: FinishReason = "stop";
  let usage: Usage | undefined;
  let [hasText, hasMore] = [false, false];
  return {
    begin(answer) {
      ({ provider, model } = answer);
      return streamOf(answer);
    },
    chunk(chunk) {
      finishReason = chunk.finishReason ?? finishReason;
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      hasText ||= chunk.delta !== "";
      hasMore ||= chunk.extra !== undefined;
      return chunk.delta === ""
        ? ""
        : sseEvent(JSON.stringify({ delta: chunk.delta } satisfies GenerateMessageEvent), "message");
    },
    end() {
      requireText({ hasText, hasMore, finishReason });
      const tokensUsed = usage?.totalTokens ?? null;
      const done: GenerateDoneEvent = { model, finishReason, tokensUsed, usage: usageIn(usage), provider, requestId };
      return sseEvent(JSON.stringify(done), "done");
    },
    error: (error) => errorEvent(error, requestId),
  };
}
