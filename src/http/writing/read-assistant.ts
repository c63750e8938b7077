import { streamOf } from "../../collect.ts";
import { notBlank } from "../../not-blank.ts";
import { readAssistantTask } from "../../tasks/read-assistant.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { type Encoder, sseEvent } from "../event-stream.ts";
import { missingField } from "../invalid.ts";
import { errorEvent } from "../qingyu/error-event.ts";
import { formOf } from "../qingyu/form.ts";
import { optionNames, originOf, samplingIn } from "../qingyu/options.ts";
import { type TextCall, textCodec } from "../qingyu/text-answers.ts";
import type { ReadEvent } from "./answers.ts";
import { readRequest } from "./requests.ts";

/** `POST /api/v1/ai/read-assistant`, which always streams. */
export const readAssistant = {
  ...textCodec({
    body: readRequest,
    said: "done",
    decode(body, headers) {
      const { question, chapterContent, bookTitle, chapterTitle } = body;
      if (!question?.trim()) throw missingField("question");
      const history = (body.conversationHistory ?? []).map(({ role, content }) => ({
        role: role ?? "user",
        content: content ?? "",
      }));
      const task = readAssistantTask({
        question,
        chapter: chapterContent ?? undefined,
        bookTitle: bookTitle ?? undefined,
        chapterTitle: chapterTitle ?? undefined,
        // What a reader may say is no instruction.
        history: history.filter(({ role }) => role !== "system"),
      });
      return {
        request: { ...task, ...samplingIn(body.options), ...originOf(body) },
        stream: true,
        names: { ...optionNames, messages: "chapterContent" },
        form: formOf(body, headers),
        textName: "generated_text",
      };
    },
  }),
  encoder: readEncoder,
};

/**
 * Events without a name, each with what has come since the last one under all the names by which a reader knows it; then
 * `[DONE]`. An event `error` has none of these names: what has them is shown as text.
 */
export function readEncoder(requestId: string, { form }: Pick<TextCall, "form">): Encoder<GenerationAnswer> {
  return {
    begin: (answer) => streamOf(notBlank(answer, "length")),
    chunk: ({ delta }) =>
      delta === "" ? "" : sseEvent(JSON.stringify({ content: delta, delta, text: delta } satisfies ReadEvent)),
    end: () => sseEvent("[DONE]"),
    error: (error) => errorEvent(error, form.language, requestId),
  };
}
