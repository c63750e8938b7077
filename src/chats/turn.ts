/*
 * What isolates and the object of a user's chats tell each other: plain data, since that is all that crosses over. Texts are
 * sealed bytes there, and what is told about an answer is JSON into which the object does not look.
 */

/** A message that is to be answered. */
export interface NewTurn {
  /** Absent where a session is to begin. */
  readonly sessionId?: string;
  /** What a new session, message and answer are called, and what a session without a title is to have as one. */
  readonly ids: { readonly sessionId: string; readonly messageId: string; readonly answerId: string };
  /** Tells who answers it now from who did before; asked for again under the same, it is this one's still. */
  readonly attempt: string;
  readonly title: Uint8Array;
  readonly projectId?: string;
  readonly message: Uint8Array;
  /** Tells its text from others. */
  readonly digest: string;
  /** Of an idempotency key, with what tells the whole request from others. */
  readonly claim?: { readonly name: string; readonly fingerprint: string };
  /** The turn that was waited for: where it was the same message, its answer is this one's. */
  readonly after?: number;
  /** Whether a message without a session may go on in the one that an unanswered one like it has begun. */
  readonly mayGoOn: boolean;
  /** When it counts as left without an answer, in Unix milliseconds. */
  readonly leaseMs: number;
  readonly keptDays: number;
}

/** What the object makes of it. */
export type BegunTurn =
  | ({ readonly state: "begun"; readonly history: readonly PastTurn[] } & TurnIds)
  | ({
      readonly state: "answered";
      readonly answer: Uint8Array;
      readonly about: string;
      readonly saidMs: number;
    } & TurnIds)
  /** Another one of the session is being answered, or this very one. */
  | { readonly state: "pending"; readonly turn: number }
  /** The key stands for another request. */
  | { readonly state: "taken" }
  | { readonly state: "unknown" };

interface TurnIds {
  readonly turn: number;
  readonly sessionId: string;
  readonly answerId: string;
}

/** A message that was answered before, wholly or in part. */
export interface PastTurn {
  readonly messageId: string;
  readonly message: Uint8Array;
  readonly answerId: string;
  readonly answer: Uint8Array;
}

/** How a turn has ended. */
export interface EndedTurn {
  readonly attempt: string;
  readonly isComplete: boolean;
  readonly endedMs: number;
  /** Absent where nothing of an answer has come. */
  readonly answer?: { readonly sealed: Uint8Array; readonly about: string };
}

/** A session as it is kept. */
export interface StoredSession {
  readonly id: string;
  readonly projectId?: string;
  readonly title?: Uint8Array;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly lastMessageMs?: number;
  readonly messages: number;
}

export interface StoredMessage {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly sealed: Uint8Array;
  readonly saidMs: number;
  readonly about?: string;
}
