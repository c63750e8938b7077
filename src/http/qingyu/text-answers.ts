import type * as z from "zod/mini";
import { streamOf, wholeOf } from "../../collect.ts";
import type { FinishReason, GenerationRequest, Usage } from "../../generation.ts";
import type { RequestRecord } from "../../record.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import type { Asked } from "../call.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { requireText } from "../text-only.ts";
import type { PlatformUsage, TextDoneEvent, TextMessageEvent } from "./answers.ts";
import { errorEvent } from "./error-event.ts";
import { type Form, inForm, type Said } from "./form.ts";

/** A text that is wanted by a client of the platform's. */
export interface TextCall extends Asked<GenerationRequest> {
  readonly form: Form;
  /** What its sender calls the text, beside `content` and `generated_text`. */
  readonly textName: string;
  /** What is told beside it of a whole answer. */
  readonly more?: object;
}

interface TextMethod<Body extends z.ZodMiniType> {
  readonly body: Body;
  readonly said: Said;
  readonly decode: (body: z.infer<Body>, headers: Headers) => TextCall;
}

/** A method whose answer is a text, whole or piece by piece. */
export function textCodec<Body extends z.ZodMiniType>({
  body,
  said,
  decode,
}: TextMethod<Body>): Codec<Body, GenerationRequest, GenerationAnswer, TextCall> {
  return {
    body,
    decode,
    check: requireWithinLimits,
    isImpatient: true,
    whole: (answer, _, asked, record) => textAnswer(answer, asked, said, record),
    encoder: textEncoder,
  };
}

/** A text with all that any of the platform's clients reads of it, in the form that its sender reads. */
export async function textAnswer(
  answer: GenerationAnswer,
  { form, textName, more }: Pick<TextCall, "form" | "textName" | "more">,
  said: Said,
  { requestId, limits }: Pick<RequestRecord, "requestId" | "limits">,
): Promise<object> {
  const { choices, model, usage, provider } = await wholeOf(answer);
  const [{ content, finishReason, extra }] = choices;
  requireText({ hasText: content !== "", hasMore: extra !== undefined, finishReason });
  const data = {
    ...{ content, generated_text: content, [textName]: content, ...more, model, finishReason, provider },
    tokensUsed: usage?.totalTokens ?? null,
    usage: usageIn(usage),
    ...(form.isBare && { quota_remaining: limits?.tokens?.remaining ?? null }),
  };
  return inForm(data, form, requestId, said);
}

/** Counts under the names of all clients; null where the provider did not report them, never zeros. */
export function usageIn(usage: Usage | undefined): PlatformUsage {
  if (!usage?.split) return null;
  const { totalTokens, split } = usage;
  return {
    ...{ promptTokens: split.promptTokens, completionTokens: split.completionTokens, totalTokens },
    ...{ prompt_tokens: split.promptTokens, completion_tokens: split.completionTokens, total_tokens: totalTokens },
  };
}

/** Events `message` with what has come since the last one, then `done` with the whole text, or `error`. */
export function textEncoder(requestId: string): Encoder<GenerationAnswer> {
  let [provider, model] = ["", ""];
  // Every complete answer has one.
  let finishReason: FinishReason = "stop";
  let usage: Usage | undefined;
  let hasMore = false;
  const pieces: string[] = [];
  return {
    begin(answer) {
      ({ provider, model } = answer);
      return streamOf(answer);
    },
    chunk(chunk) {
      finishReason = chunk.finishReason ?? finishReason;
      model = chunk.model ?? model;
      usage = chunk.usage ?? usage;
      hasMore ||= chunk.extra !== undefined;
      if (chunk.delta === "") return "";
      pieces.push(chunk.delta);
      const message: TextMessageEvent = { requestId, delta: chunk.delta, tokens: null };
      return sseEvent(JSON.stringify(message), "message");
    },
    end() {
      const content = pieces.join("");
      requireText({ hasText: content !== "", hasMore, finishReason });
      const tokensUsed = usage?.totalTokens ?? null;
      const done: TextDoneEvent = {
        ...{ requestId, content, tokensUsed, model, finishReason, usage: usageIn(usage), provider },
      };
      return sseEvent(JSON.stringify(done), "done");
    },
    error: (error) => errorEvent(error, requestId),
  };
}
