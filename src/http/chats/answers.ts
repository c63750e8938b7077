import * as z from "zod/mini";
import { finishReasons } from "../../generation.ts";
import { count, generated, success, unreported } from "../qingyu/answers.ts";

/** What chats are answered with. */

const text = z.string();
const time = z.iso.datetime();
const tokensUsed = z.nullable(count).check(unreported);

const metadata = z.object({
  ...{ model: z.optional(text), provider: z.optional(text), tokensUsed: z.optional(tokensUsed) },
  finishReason: z.optional(z.enum(finishReasons)),
  contextUsed: z.optional(z.boolean()),
  interrupted: z
    .optional(z.literal(true))
    .check(z.describe("The answer broke off, or its reader left; this is what had come.")),
});

export const ChatMessage = z.object({
  id: text,
  role: z.enum(["user", "assistant"]),
  content: text,
  timestamp: time,
  metadata: metadata.check(z.describe("Of an answer; empty of what the user said.")),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

const chat = {
  ...generated,
  contextUsed: z.boolean().check(z.describe("Whether something that is known of the project was made use of.")),
};

const ChatAnswer = z.object({
  ...chat,
  sessionId: text.check(z.describe("Empty where the answer is kept in no session.")),
  message: ChatMessage,
  reply: text.check(z.describe("The answer's text.")),
  responseTime: count.check(z.describe("In nanoseconds.")),
});
export type ChatAnswer = z.infer<typeof ChatAnswer>;
export const ChatAnswered = z.object({ ...success, data: ChatAnswer });

export const BareChat = z.object({
  ...generated,
  message: text.check(z.describe("The answer's text.")),
  reply: text.check(z.describe("The same.")),
  quota_remaining: z.nullable(count).check(z.describe("Tokens; null where no limit holds.")),
});
export type BareChat = z.infer<typeof BareChat>;

const place = { sessionId: ChatAnswer.shape.sessionId, messageId: text };
export const ChatMessageEvent = z.object({
  ...place,
  delta: text.check(z.describe("What has come since the last event.")),
  tokens: z.null().check(z.describe("Not known before the end.")),
});
export type ChatMessageEvent = z.infer<typeof ChatMessageEvent>;
export const ChatDoneEvent = z.object({
  ...chat,
  ...place,
  content: text.check(z.describe("The whole text.")),
  requestId: text,
});
export type ChatDoneEvent = z.infer<typeof ChatDoneEvent>;

export const ChatSession = z.object({
  id: text,
  userId: text.check(z.describe("The token's user; a key's tenant.")),
  projectId: z.nullable(text),
  title: text,
  createdAt: time,
  updatedAt: time,
  messageCount: count,
  lastMessageAt: z.nullable(time),
});
export type ChatSession = z.infer<typeof ChatSession>;

export const ChatHistory = z.object({
  session: ChatSession,
  messages: z.object({
    messages: z.array(ChatMessage).check(z.describe("The oldest first. Fewer than `limit` where they are long.")),
    total: count,
    limit: count,
    offset: count.check(z.describe("How many newer ones there are.")),
  }),
});
export type ChatHistory = z.infer<typeof ChatHistory>;
