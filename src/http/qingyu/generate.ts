import { streamOf, wholeOf } from "../../collect.ts";
import type { GenerationRequest } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import type { Asked } from "../call.ts";
import { acceptsEvents, type Encoder, sseEvent } from "../event-stream.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { requireText } from "../text-only.ts";
import type { GenerateAnswer, GenerateDoneEvent, GenerateMessageEvent } from "./answers.ts";
import { errorEvent } from "./error-event.ts";
import { enveloped, type Form, inEnvelope } from "./form.ts";
import { fromGenerateRequest, generateRequest, isContinuation } from "./generate-request.ts";
import { generatedBy, generatedSoFar } from "./generated.ts";
import { optionNames } from "./options.ts";
import { textAnswer, textEncoder } from "./text-answers.ts";

/** What the platform calls OpenAI's parameters. */
const names = {
  ...optionNames,
  max_completion_tokens: "options.maxTokens",
  stop: "options.stop",
  seed: "options.seed",
};

interface GenerateCall extends Asked<GenerationRequest> {
  readonly form: Form;
  /** What the sender of a text that goes on calls the answer; absent where a conversation goes on. */
  readonly textName?: string;
}

/** `POST /api/v1/ai/generate`. */
export const generate: Codec<typeof generateRequest, GenerationRequest, GenerationAnswer, GenerateCall> = {
  body: generateRequest,
  decode(body, headers) {
    const stream = body.options?.stream ?? acceptsEvents(headers);
    const asked = { request: fromGenerateRequest(body), stream, form: enveloped(headers) };
    if (isContinuation(body)) {
      return { ...asked, names: { ...names, messages: "currentText" }, textName: "generated_text" };
    }
    return { ...asked, names: body.messages ? names : { ...names, messages: "prompt" } };
  },
  check: requireWithinLimits,
  isImpatient: true,
  whole: (answer, requestId, { form, textName }, record) =>
    textName === undefined
      ? generateAnswer(answer, requestId, form)
      : textAnswer(answer, { form, textName }, "continued", record),
  encoder: (requestId, { form, textName }) =>
    textName === undefined ? generateEncoder(requestId, form) : textEncoder(requestId, { form }),
};

/** A generation as data in the platform's envelope. */
export async function generateAnswer(
  answer: GenerationAnswer,
  requestId: string,
  { language }: Pick<Form, "language">,
): Promise<GenerateAnswer> {
  const generation = await wholeOf(answer);
  const [{ content, finishReason, extra }] = generation.choices;
  requireText({ hasText: content !== "", hasMore: extra !== undefined, finishReason });
  const data = {
    content,
    generated_text: content,
    ...generatedBy(generation, finishReason),
    generatedAt: new Date(generation.createdAtMs).toISOString(),
  };
  return inEnvelope(data, language, requestId, "done");
}

/** Events `message`, then `done` or `error`. */
export function generateEncoder(requestId: string, { language }: Pick<Form, "language">): Encoder<GenerationAnswer> {
  const generated = generatedSoFar();
  let [hasText, hasMore] = [false, false];
  return {
    begin(answer) {
      generated.begin(answer);
      return streamOf(answer);
    },
    chunk(chunk) {
      generated.note(chunk);
      hasText ||= chunk.delta !== "";
      hasMore ||= chunk.extra !== undefined;
      return chunk.delta === ""
        ? ""
        : sseEvent(JSON.stringify({ delta: chunk.delta } satisfies GenerateMessageEvent), "message");
    },
    end() {
      const told = generated.told();
      requireText({ hasText, hasMore, finishReason: told.finishReason });
      const done: GenerateDoneEvent = { ...told, requestId };
      return sseEvent(JSON.stringify(done), "done");
    },
    error: (error) => errorEvent(error, language, requestId),
  };
}
