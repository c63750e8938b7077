import type { ChatAnswer, Session } from "../../chat.ts";
import {
  anyErrors,
  asksForStream,
  bodyErrors,
  type Description,
  eventStream,
  idParameter,
  queryParameters,
  requestBody,
  streaming,
  tolerant,
} from "../docs/description.ts";
import { answer, createdAtMs, messages, model, prompt, requestId } from "../docs/examples.ts";
import { type JsonSchema, jsonSchema, jsonSchemas, ref } from "../docs/schemas.ts";
import { qingyuSuccess } from "../envelopes.ts";
import { enveloping } from "../qingyu/describe-rpcs.ts";
import { qingyuSurface } from "../qingyu/surface.ts";
import {
  BareChat,
  ChatAnswered,
  ChatDoneEvent,
  ChatHistory,
  ChatMessage,
  ChatMessageEvent,
  ChatSession,
} from "./answers.ts";
import { chatAnswer } from "./chat.ts";
import { chatEncoder } from "./events.ts";
import { historyAnswer, sessionAnswer } from "./messages.ts";
import { chatRequest, makeSessionRequest, messagesQuery, renameSessionRequest, sessionsQuery } from "./requests.ts";

const id = "session_5d41402abc4b2a76b9719d911017c592";
const caller = { tenant: "qingyu", user: "u-1", roles: [] };
const session: Session = {
  ...{ id, projectId: "qingyu", title: prompt, createdMs: createdAtMs, updatedMs: createdAtMs },
  ...{ lastMessageMs: createdAtMs, messages: 2 },
};
const chat = { sessionId: id, messageId: "5f0c7a52-8f0e-4a57-9a4c-3a0b7f3f2a11", contextUsed: false };
const answered = (): ChatAnswer => ({ ...answer(), chat });
const record = { requestId, startedAtMs: createdAtMs - 800 };

const kinds = `\`message\` is answered in a session: that of \`sessionId\`, else a new one, which the answer names. With \`history\` and without \`sessionId\` it is answered by that history and kept nowhere. \`messages\` is a whole prompt, to which nothing is added, and its answer comes without the envelope. ${tolerant}`;
const again =
  "In a session a message and its answer are written once. One that was left without an answer is answered when it is sent again; under an `Idempotency-Key` the answer that there is comes again. One message of a session is answered at a time.";
const examples = {
  session: { message: prompt, projectId: "qingyu", useContext: false, options: { model } },
  history: { message: prompt, history: [{ role: "user", content: "你好" }] },
  prompt: { messages, model },
};

async function events() {
  const encoder = chatEncoder(requestId, { form: { isBare: false, language: "zh" } });
  const chunks = (await encoder.begin(answered()).read()) ?? [];
  return eventStream(
    "Events `message` (`ChatMessageEvent`), then `done` (`ChatDoneEvent`) or `error` (`QingyuErrorEvent`).",
    chunks.map(encoder.chunk).join("") + encoder.end(),
  );
}

async function whole() {
  const told = (isBare: boolean) => chatAnswer(answered(), { isBare, language: "zh" }, record);
  return {
    "application/json": {
      schema: { anyOf: [ref("ChatAnswered"), ref("BareChat")] },
      examples: { platform: { value: await told(false) }, bare: { value: await told(true) } },
    },
  };
}

const sessionErrors = ["session_not_found", "chats_unavailable"] as const;
const asksInSession = {
  ...asksForStream,
  errors: [...asksForStream.errors, ...sessionErrors],
  // A key that stands for another request is known of before any limit is asked for.
  comeOfLimits: asksForStream.comeOfLimits.filter((name) => name !== "conflict"),
};
const whose = "Those of the user whom a token names; a key without one has its tenant's own.";

function told(schema: JsonSchema, data: unknown, message: string) {
  return { "application/json": { schema: enveloping(schema), example: qingyuSuccess(data, requestId, message) } };
}
const shown = sessionAnswer(session, caller);
const page = { limit: 50, offset: 0 };
const history = historyAnswer(
  {
    session,
    messages: [
      { id: "3a375b60-2946-4caa-83c3-31c8f960e0c8", role: "user", content: prompt, saidMs: createdAtMs },
      {
        ...{ id: chat.messageId, role: "assistant", content: "抬头望见檐角一盏将熄的灯。", saidMs: createdAtMs },
        about: { provider: "openai", model, finishReason: "stop", contextUsed: false, usage: { totalTokens: 60 } },
      },
    ],
  },
  page,
  caller,
);

/** The platform's chats. */
export async function chatsDescription(): Promise<Description> {
  return {
    tag: "Qingyu",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: jsonSchemas({
      ChatRequest: chatRequest,
      ChatAnswered,
      BareChat,
      ChatMessage,
      ChatMessageEvent,
      ChatDoneEvent,
      ChatSession,
      ChatHistory,
      MakeSessionRequest: makeSessionRequest,
      RenameSessionRequest: renameSessionRequest,
    }),
    routes: {
      "POST /api/v1/ai/chat": {
        ...asksInSession,
        operationId: "chat",
        summary: "Answer a message",
        description: `${kinds} ${again} Streams where \`options.stream\` or \`Accept: text/event-stream\` asks for it. ${streaming}`,
        requestBody: requestBody(ref("ChatRequest"), examples),
        answer: { ...(await whole()), ...(await events()) },
      },
      "POST /api/v1/ai/chat/stream": {
        ...asksInSession,
        operationId: "chatStreamed",
        summary: "Answer a message, piece by piece",
        description: `${kinds} ${again} ${streaming}`,
        requestBody: requestBody(ref("ChatRequest"), examples),
        answer: await events(),
      },
      "GET /api/v1/ai/chat/sessions": {
        operationId: "chatSessions",
        summary: "The caller's chat sessions, the one that was used last first",
        description: whose,
        parameters: queryParameters(jsonSchema(sessionsQuery), { limit: 20, offset: 0 }),
        answer: told({ type: "array", items: ref("ChatSession") }, [shown], "获取成功"),
        errors: [...anyErrors, "invalid_request", "chats_unavailable"],
      },
      "POST /api/v1/ai/chat/sessions": {
        operationId: "makeChatSession",
        summary: "Begin a chat session",
        description: "Without a title it gets that of its first message.",
        requestBody: requestBody(ref("MakeSessionRequest"), { titled: { title: prompt, projectId: "qingyu" } }),
        answer: told(ref("ChatSession"), shown, "操作成功"),
        errors: [...bodyErrors, "chats_unavailable"],
      },
      "GET /api/v1/ai/chat/sessions/{id}": {
        operationId: "chatSession",
        summary: "A chat session and its newest messages",
        description: `The page before has the \`offset\` of this one and as many more as came. ${whose}`,
        parameters: [idParameter, ...queryParameters(jsonSchema(messagesQuery), page)],
        answer: told(ref("ChatHistory"), history, "获取成功"),
        errors: [...anyErrors, "invalid_request", ...sessionErrors],
      },
      "PUT /api/v1/ai/chat/sessions/{id}": {
        operationId: "renameChatSession",
        summary: "Give a chat session another title",
        parameters: [idParameter],
        requestBody: requestBody(ref("RenameSessionRequest"), { title: { title: prompt } }),
        answer: told(ref("ChatSession"), shown, "操作成功"),
        errors: [...bodyErrors, ...sessionErrors],
      },
      "DELETE /api/v1/ai/chat/sessions/{id}": {
        operationId: "deleteChatSession",
        summary: "Delete a chat session with all that was said in it",
        parameters: [idParameter],
        answer: told({ type: "null" }, null, "操作成功"),
        errors: [...anyErrors, ...sessionErrors],
      },
    },
  };
}
