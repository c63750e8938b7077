import { asksForStream, type Description, eventStream, requestBody, streaming, tolerant } from "../docs/description.ts";
import { answer, eventsWritten, prompt, requestId } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { TextDoneEvent, TextMessageEvent } from "../qingyu/answers.ts";
import type { Said } from "../qingyu/form.ts";
import { type TextCall, textAnswer, textEncoder } from "../qingyu/text-answers.ts";
import { BareText, ReadEvent, TextAnswer } from "./answers.ts";
import { readEncoder } from "./read-assistant.ts";
import { continueRequest, readRequest, rewriteRequest } from "./requests.ts";

const form = { isBare: false, language: "zh" } as const;
const record = { requestId };
const shapes = `${tolerant} A body that has \`project_id\`, \`current_text\` or \`text\` and not the platform's name for it is answered without the envelope.`;
const streams = `Streams where \`options.stream\` or \`Accept: text/event-stream\` asks for it. ${streaming}`;

/** A text as events. */
async function textEvents() {
  return eventStream(
    "Events `message` (`TextMessageEvent`), then `done` (`TextDoneEvent`) or `error` (`QingyuErrorEvent`).",
    await eventsWritten(textEncoder(requestId, { form })),
  );
}

/** A text in both forms, and as events. */
async function text(said: Said, textName: string, more?: object) {
  const whole = (isBare: boolean) => {
    const asked: Pick<TextCall, "form" | "textName" | "more"> = { form: { isBare, language: "zh" }, textName, more };
    return textAnswer(answer(), asked, said, record);
  };
  return {
    "application/json": {
      schema: { anyOf: [ref("TextAnswer"), ref("BareText")] },
      examples: { platform: { value: await whole(false) }, bare: { value: await whole(true) } },
    },
    ...(await textEvents()),
  };
}

const continued = {
  platform: { projectId: "qingyu", chapterId: "12", currentText: prompt, continueLength: 200 },
  bare: { project_id: "qingyu", current_text: prompt, continue_length: 200 },
};
const originalText = prompt;
const rewritten = { platform: { projectId: "qingyu", originalText, rewriteMode: "formal" } };
const expanded = {
  platform: { projectId: "qingyu", originalText, rewriteMode: "expand", targetLength: 200 },
  bare: { text: prompt, expand_ratio: 2, direction: "写雨声" },
};
const polished = {
  platform: { projectId: "qingyu", originalText, rewriteMode: "polish", instructions: "更含蓄" },
  bare: { text: prompt, style: "文学", focus_areas: ["节奏"] },
};
const read = {
  chapter: { question: "少年为什么收伞？", chapterContent: prompt, bookTitle: "青羽", chapterTitle: "夜雨" },
};

/** A route that rewrites: what it is called, and how it is asked for. */
function rewriting(operationId: string, summary: string, examples: Readonly<Record<string, unknown>>) {
  return { ...asksForStream, operationId, summary, requestBody: requestBody(ref("RewriteRequest"), examples) };
}

/** The rewritten text, whole or piece by piece. */
async function asWanted(textName: string) {
  return { description: `${shapes} ${streams}`, answer: await text("rewritten", textName, { changes: [] }) };
}

export const textSchemas = jsonSchemas({
  ContinueRequest: continueRequest,
  RewriteRequest: rewriteRequest,
  ReadRequest: readRequest,
  TextAnswer,
  BareText,
  TextMessageEvent,
  TextDoneEvent,
  ReadEvent,
});

/** The writing tasks whose answer is a text. */
export async function textPaths(): Promise<Description["routes"]> {
  return {
    "POST /api/v1/ai/writing/continue": {
      ...asksForStream,
      operationId: "continueWriting",
      summary: "Go on with a text",
      description: `${shapes} ${streams}`,
      requestBody: requestBody(ref("ContinueRequest"), continued),
      answer: await text("continued", "generated_text"),
    },
    "POST /api/v1/ai/writing/continue/stream": {
      ...asksForStream,
      operationId: "continueWritingStreamed",
      summary: "Go on with a text, piece by piece",
      description: `${tolerant} ${streaming}`,
      requestBody: requestBody(ref("ContinueRequest"), continued),
      answer: await textEvents(),
    },
    "POST /api/v1/ai/writing/rewrite": {
      ...rewriting("rewriteWriting", "Rewrite a text in a manner", rewritten),
      ...(await asWanted("rewritten_text")),
    },
    "POST /api/v1/ai/writing/rewrite/stream": {
      ...rewriting("rewriteWritingStreamed", "Rewrite a text in a manner, piece by piece", rewritten),
      description: `${tolerant} ${streaming}`,
      answer: await textEvents(),
    },
    "POST /api/v1/ai/rewrite": {
      ...rewriting("rewrite", "Rewrite a text", rewritten),
      ...(await asWanted("rewritten_text")),
    },
    "POST /api/v1/ai/expand": {
      ...rewriting("expand", "Make a text longer", expanded),
      ...(await asWanted("expanded_text")),
    },
    "POST /api/v1/ai/writing/expand": {
      ...rewriting("expandWriting", "Make a text longer", expanded),
      ...(await asWanted("expanded_text")),
    },
    "POST /api/v1/ai/polish": {
      ...rewriting("polish", "Put a text in better words", polished),
      ...(await asWanted("polished_text")),
    },
    "POST /api/v1/ai/writing/polish": {
      ...rewriting("polishWriting", "Put a text in better words", polished),
      ...(await asWanted("polished_text")),
    },
    "POST /api/v1/ai/read-assistant": {
      ...asksForStream,
      operationId: "readAssistant",
      summary: "Answer a reader's question from the chapter that he reads",
      description: `${tolerant} Always streams. Of a chapter of more than 30,000 characters the model is shown the beginning and the end, and told so. ${streaming}`,
      requestBody: requestBody(ref("ReadRequest"), read),
      answer: eventStream(
        "The data of each event is a `ReadEvent`, of the last `[DONE]`; or an event `error` (`QingyuErrorEvent`).",
        await eventsWritten(readEncoder(requestId, { form })),
      ),
    },
  };
}
