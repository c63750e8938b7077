import type { Caller } from "../../caller.ts";
import type { AboutAnswer, Session, SessionMessage, SessionPage } from "../../chat.ts";
import type { Page } from "../../page.ts";
import type { ChatHistory, ChatMessage, ChatSession } from "./answers.ts";

/** What a session without a title is called. */
const untitled = "新对话";

export function sessionAnswer(session: Session, { tenant, user = tenant }: Caller): ChatSession {
  return {
    id: session.id,
    userId: user,
    projectId: session.projectId ?? null,
    title: session.title ?? untitled,
    createdAt: timeOf(session.createdMs),
    updatedAt: timeOf(session.updatedMs),
    messageCount: session.messages,
    lastMessageAt: session.lastMessageMs === undefined ? null : timeOf(session.lastMessageMs),
  };
}

export function historyAnswer({ session, messages }: SessionPage, page: Page, caller: Caller): ChatHistory {
  return {
    session: sessionAnswer(session, caller),
    messages: { messages: messages.map(messageAnswer), total: session.messages, ...page },
  };
}

/** A message as clients of the platform know one. */
export function messageAnswer({ id, role, content = "", saidMs, about }: SessionMessage): ChatMessage {
  return { id, role, content, timestamp: timeOf(saidMs), metadata: about ? metadataOf(about) : {} };
}

function metadataOf({ model, provider, usage, finishReason, contextUsed }: AboutAnswer): ChatMessage["metadata"] {
  const how = finishReason === undefined ? { interrupted: true as const } : { finishReason };
  return { model, provider, tokensUsed: usage?.totalTokens ?? null, contextUsed, ...how };
}

const timeOf = (ms: number) => new Date(ms).toISOString();
