import type { Caller } from "./caller.ts";
import type { FinishReason, Message, Usage } from "./generation.ts";
import type { Share } from "./in-flight.ts";
import type { Page } from "./page.ts";
import type { GenerationAnswer, Upstream } from "./upstream.ts";

/** Talking with a model: what is said, and the sessions in which it is kept. */

/** How an answer is to be made. */
interface Wish {
  readonly projectId?: string;
  readonly model?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
}

/** A message that wants an answer. */
export interface ChatRequest extends Wish {
  /** The session that it belongs to, whose earlier messages are part of the prompt. */
  readonly sessionId?: string;
  /** What came before, where the caller keeps that himself; without this and a session's id a new session begins. */
  readonly history?: readonly Said[];
  readonly message: string;
  /** Whether the answer is to make use of what is known of the project. */
  readonly useContext: boolean;
}

/** A whole prompt, to which nothing is added. */
interface WrittenPrompt extends Wish {
  readonly messages: readonly Said[];
}

export type ChatAsked = ChatRequest | WrittenPrompt;

/** A message of a talk. */
export interface Said {
  readonly role: Extract<Message["role"], "system" | "user" | "assistant">;
  readonly content: string;
}

/** What is known of an answer before its first word. */
interface ChatHead {
  /** Absent where it is kept in none. */
  readonly sessionId?: string;
  readonly messageId: string;
  readonly contextUsed: boolean;
}

export type ChatAnswer = GenerationAnswer & { readonly chat: ChatHead };

/** What is told of an answer beside its text. */
export interface AboutAnswer {
  readonly provider: string;
  readonly model: string;
  readonly usage?: Usage;
  /** Absent where it broke off. */
  readonly finishReason?: FinishReason;
  readonly contextUsed: boolean;
}

/** Times in Unix milliseconds. */
export interface Session {
  readonly id: string;
  readonly projectId?: string;
  /** Absent until there is a title or a message that gives one. */
  readonly title?: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly lastMessageMs?: number;
  readonly messages: number;
}

export interface SessionMessage {
  readonly id: string;
  readonly role: "user" | "assistant";
  /** Absent where it was sealed under another secret than there is now. */
  readonly content?: string;
  readonly saidMs: number;
  /** Of an answer. */
  readonly about?: AboutAnswer;
}

export interface SessionPage {
  readonly session: Session;
  /** In their order. */
  readonly messages: readonly SessionMessage[];
}

/**
 * The sessions of a caller: of the user whom his token names, else his tenant's own. Throws a `GatewayError`: 404
 * `session_not_found`, also for everybody else's sessions, and 503 `chats_unavailable`.
 */
export interface ChatSessions {
  readonly make: (caller: Caller, wish: Pick<Session, "title" | "projectId">) => Promise<Session>;
  /** Those with the latest messages first. */
  readonly list: (caller: Caller, page: Page, projectId?: string) => Promise<readonly Session[]>;
  readonly rename: (caller: Caller, id: string, title: string) => Promise<Session>;
  /** The offset is counted from the newest message. Fewer than were asked for come where they are long. Throws `overloaded` where there is no memory for them. */
  readonly read: (caller: Caller, id: string, page: Page, memory: Share) => Promise<SessionPage>;
  readonly remove: (caller: Caller, id: string) => Promise<void>;
}

export type Chatting = Upstream<ChatAsked, ChatAnswer>;
