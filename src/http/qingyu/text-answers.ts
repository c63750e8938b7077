import type * as z from "zod/mini";
import { streamOf, wholeOf } from "../../collect.ts";
import type { GenerationRequest } from "../../generation.ts";
import { notBlank } from "../../not-blank.ts";
import type { RequestRecord } from "../../record.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import type { Asked } from "../call.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import type { Generated, TextDoneEvent, TextMessageEvent } from "./answers.ts";
import { errorEvent } from "./error-event.ts";
import { type Form, inForm, type Said } from "./form.ts";
import { generatedBy, generatedSoFar } from "./generated.ts";

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

/**
 * A text with all that any of the platform's clients reads of it, in the form that its sender reads. Throws a `GatewayError` in
 * the place of an empty one, which would take the place of its author's text, since nobody looks at why it ended; but not where
 * that is the bound which he has set.
 */
export async function textAnswer(
  answer: GenerationAnswer,
  { form, textName, more }: Pick<TextCall, "form" | "textName" | "more">,
  said: Said,
  { requestId, limits }: Pick<RequestRecord, "requestId" | "limits">,
): Promise<object> {
  const generation = await wholeOf(notBlank(answer, "length"));
  const [{ content, finishReason }] = generation.choices;
  const data = {
    ...{ content, generated_text: content, [textName]: content, ...more },
    ...generatedBy(generation, finishReason),
    ...(form.isBare && { quota_remaining: limits?.tokens?.remaining ?? null }),
  };
  return inForm(data, form, requestId, said);
}

/** The same as events. */
export function textEncoder(requestId: string, { form }: Pick<TextCall, "form">): Encoder<GenerationAnswer> {
  return textEvents(requestId, form, {
    begin: (answer) => streamOf(notBlank(answer, "length")),
    message: (delta): TextMessageEvent => ({ requestId, delta, tokens: null }),
    done: (content, told): TextDoneEvent => ({ requestId, content, ...told }),
  });
}

/** What is written of a text as events. */
interface TextEvents<Answer> {
  readonly begin: Encoder<Answer>["begin"];
  readonly message: (delta: string) => object;
  readonly done: (content: string, told: Generated) => object;
}

/** Events `message` with what has come since the last one, then `done` with the whole text, or `error`. */
export function textEvents<Answer extends GenerationAnswer>(
  requestId: string,
  { language }: Pick<Form, "language">,
  { begin, message, done }: TextEvents<Answer>,
): Encoder<Answer> {
  const generated = generatedSoFar();
  const pieces: string[] = [];
  return {
    keepsText: true,
    begin(answer) {
      generated.begin(answer);
      return begin(answer);
    },
    chunk(chunk) {
      generated.note(chunk);
      if (chunk.delta === "") return "";
      pieces.push(chunk.delta);
      return sseEvent(JSON.stringify(message(chunk.delta)), "message");
    },
    end: () => sseEvent(JSON.stringify(done(pieces.join(""), generated.told())), "done"),
    error: (error) => errorEvent(error, language, requestId),
  };
}
