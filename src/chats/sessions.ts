import type { Encryption } from "../cache/storage/encryption.ts";
import type { ChatSessions, Session, SessionMessage } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { turnFor } from "../turn.ts";
import type { AskChats } from "./objects.ts";
import { aboutIn, type Sealed, sealedFor } from "./sealed.ts";
import type { StoredMessage, StoredSession } from "./turn.ts";

export interface SessionsOptions {
  readonly ask: AskChats;
  readonly encryption: Encryption;
  readonly keptDays: number;
}

/** What is made of a message that is read: it comes sealed, is opened, and becomes text that is written as JSON. */
const bytesPerSealedByte = 6;

/** The sessions of all users, each user's in an object of his own. */
export function createSessions({ ask, encryption, keptDays }: SessionsOptions): ChatSessions {
  return {
    async make(caller, { title, projectId }) {
      const sealed = sealedFor(caller, encryption);
      const id = newSessionId();
      const session = { id, projectId, title: title === undefined ? undefined : await sealed.seal(title, id) };
      return await sessionIn(await ask(caller, async (chats) => await chats.make(session, keptDays)), sealed);
    },
    async list(caller, page, projectId) {
      const sealed = sealedFor(caller, encryption);
      const stored = await ask(caller, async (chats) => await chats.list(page, projectId));
      return await Promise.all(stored.map((session) => sessionIn(session, sealed)));
    },
    async rename(caller, id, title) {
      const sealed = sealedFor(caller, encryption);
      const bytes = await sealed.seal(title, id);
      return await sessionIn(known(await ask(caller, async (chats) => await chats.rename(id, bytes))), sealed);
    },
    async read(caller, id, page, memory) {
      const sealed = sealedFor(caller, encryption);
      const { session, messages } = known(await ask(caller, async (chats) => await chats.read(id, page)));
      const sealedBytes = messages.reduce((sum, message) => sum + message.sealed.byteLength, 0);
      memory.take(bytesPerSealedByte * sealedBytes);
      await turnFor(sealedBytes, memory.turn);
      return {
        session: await sessionIn(session, sealed),
        messages: await Promise.all(messages.map((message) => messageIn(message, sealed))),
      };
    },
    async remove(caller, id) {
      if (!(await ask(caller, async (chats) => await chats.remove(id)))) throw sessionNotFound();
    },
  };
}

/** Nobody guesses one. */
export function newSessionId(): string {
  return `session_${crypto.getRandomValues(new Uint8Array(16)).toHex()}`;
}

/** The same for sessions that nobody has and for those of others. */
export function sessionNotFound(): GatewayError {
  return new GatewayError("not_found", "There is no session with this id.", {
    code: "session_not_found",
    param: "sessionId",
  });
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw sessionNotFound();
  return found;
}

async function sessionIn({ title, ...session }: StoredSession, sealed: Sealed): Promise<Session> {
  return { ...session, title: title && (await sealed.open(title, session.id)) };
}

async function messageIn({ sealed: bytes, about, ...message }: StoredMessage, sealed: Sealed): Promise<SessionMessage> {
  return {
    ...message,
    content: await sealed.open(bytes, message.id),
    about: about === undefined ? about : aboutIn(about),
  };
}
