import {
  asksForStream,
  asksProvider,
  type Description,
  eventStream,
  requestBody,
  streaming,
} from "../docs/description.ts";
import { answer, createdAtMs, eventsWritten, model, prompt, requestId } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { TextDoneEvent, TextMessageEvent } from "../qingyu/answers.ts";
import { qingyuSurface } from "../qingyu/surface.ts";
import { type TextCall, textAnswer, textEncoder } from "../qingyu/text-answers.ts";
import { BareText, SummaryAnswer, TextAnswer } from "./answers.ts";
import { continueRequest, summarizeRequest } from "./requests.ts";
import { summarize } from "./summarize.ts";

const toPlatform = { form: { isBare: false, language: "zh" }, textName: "generated_text" } as const;
const bare = { ...toPlatform, form: { isBare: true, language: "zh" } } as const;
const record = { requestId };
const tolerant = "Members that are not known are left alone, and null is the same as absent.";
const shapes = `${tolerant} A body that has \`project_id\` or \`current_text\` and not \`projectId\` or \`currentText\` is answered without the envelope.`;

/** A text as events. */
async function textEvents() {
  return eventStream(
    "Events `message` (`TextMessageEvent`), then `done` (`TextDoneEvent`) or `error` (`QingyuErrorEvent`).",
    await eventsWritten(textEncoder(requestId)),
  );
}

/** A text in both forms, and as events. */
async function text(said: Parameters<typeof textAnswer>[2]) {
  const whole = (asked: Pick<TextCall, "form" | "textName">) => textAnswer(answer(), asked, said, record);
  return {
    "application/json": {
      schema: { anyOf: [ref("TextAnswer"), ref("BareText")] },
      examples: { platform: { value: await whole(toPlatform) }, bare: { value: await whole(bare) } },
    },
    ...(await textEvents()),
  };
}

const continued = { projectId: "qingyu", chapterId: "12", currentText: prompt, continueLength: 200 };
const summary = summarize.decode({ content: prompt, projectId: "qingyu" }, new Headers());

/** The platform's writing tasks. */
export async function writingDescription(): Promise<Description> {
  return {
    tag: "Qingyu",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: jsonSchemas({
      ContinueRequest: continueRequest,
      SummarizeRequest: summarizeRequest,
      TextAnswer,
      BareText,
      TextMessageEvent,
      TextDoneEvent,
      SummaryAnswer,
    }),
    routes: {
      "POST /api/v1/ai/writing/continue": {
        ...asksForStream,
        operationId: "continueWriting",
        summary: "Go on with a text",
        description: `${shapes} Streams where \`options.stream\` or \`Accept: text/event-stream\` asks for it. ${streaming}`,
        requestBody: requestBody(ref("ContinueRequest"), { platform: continued }),
        answer: await text("continued"),
      },
      "POST /api/v1/ai/writing/continue/stream": {
        ...asksForStream,
        operationId: "continueWritingStreamed",
        summary: "Go on with a text, piece by piece",
        description: `${tolerant} ${streaming}`,
        requestBody: requestBody(ref("ContinueRequest"), { platform: continued }),
        answer: await textEvents(),
      },
      "POST /api/v1/ai/writing/summarize": {
        ...asksProvider,
        operationId: "summarize",
        summary: "Say a text in short",
        description: tolerant,
        requestBody: requestBody(ref("SummarizeRequest"), { text: { content: prompt, projectId: "qingyu" } }),
        answer: {
          "application/json": {
            schema: ref("SummaryAnswer"),
            example: summarize.whole(
              {
                ...{ provider: "openai", model, createdAtMs },
                parts: [{ start: 0, end: prompt.length, written: { summary: "少年夜雨归来。", keyPoints: ["归来"] } }],
                usage: { totalTokens: 60, split: { promptTokens: 42, completionTokens: 18 } },
              },
              requestId,
              summary,
            ),
          },
        },
      },
    },
  };
}
