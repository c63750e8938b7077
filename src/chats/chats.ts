import type { ChatSessions, Chatting } from "../chat.ts";
import type { Chats } from "./chats-object.ts";
import { type ChattingOptions, createChatting } from "./chatting.ts";
import { askChatsIn } from "./objects.ts";
import { createSessions, type SessionsOptions } from "./sessions.ts";
import { createTurns, type TurnsOptions } from "./turns.ts";

export interface ChatsOptions
  extends Omit<ChattingOptions, "beginTurn">,
    Omit<TurnsOptions, "ask">,
    Omit<SessionsOptions, "ask"> {
  /** Absent where none are bound: then there are no sessions. */
  readonly objects: DurableObjectNamespace<Chats> | undefined;
}

/** Chats: what answers a message, and the sessions. */
export function createChats({ objects, ...options }: ChatsOptions): { chat: Chatting; chats: ChatSessions } {
  const ask = askChatsIn(objects);
  return {
    chat: createChatting({ ...options, beginTurn: createTurns({ ...options, ask }) }),
    chats: createSessions({ ...options, ask }),
  };
}
