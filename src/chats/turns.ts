import { keyReused } from "../cache/idempotency-key.ts";
import type { Encryption } from "../cache/storage/encryption.ts";
import type { Digest } from "../cache/storage/key.ts";
import type { AboutAnswer, ChatRequest, Said } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { overloaded } from "../in-flight.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call } from "../upstream.ts";
import { pause } from "../waiting.ts";
import type { AskChats } from "./objects.ts";
import { aboutIn, aboutText, type Sealed, sealedFor } from "./sealed.ts";
import { newSessionId, sessionNotFound } from "./sessions.ts";
import { titleFrom } from "./title.ts";
import type { BegunTurn, NewTurn, PastTurn } from "./turn.ts";

export interface TurnsOptions {
  readonly ask: AskChats;
  readonly encryption: Encryption;
  readonly digest: Digest;
  readonly keptDays: number;
}

/** A message's place in its session, until it is answered. */
export interface OpenTurn {
  readonly sessionId: string;
  readonly messageId: string;
  readonly history: readonly Said[];
  /** Writes down what has come of an answer, wholly or not, or that nothing has. Never throws: what could not be written is logged. */
  readonly end: (answer?: Omit<ComeAnswer, "id">) => Promise<void>;
}

export interface ComeAnswer {
  readonly id: string;
  readonly text: string;
  readonly isComplete: boolean;
  readonly saidMs: number;
  readonly about: AboutAnswer;
}

/** An answer that was given before to what is asked again. */
export interface EarlierAnswer extends Pick<OpenTurn, "sessionId" | "messageId"> {
  readonly earlier: Omit<ComeAnswer, "id" | "isComplete">;
}

/** Begins the turn of a message, as soon as no other one of its session is being answered. Throws a `GatewayError`. */
export type BeginTurn = (request: ChatRequest, call: Call) => Promise<OpenTurn | EarlierAnswer>;

/** How much longer than its deadline an answer may take to be written down. */
const graceMs = 15_000;
/** With its answer it must go into one row of 2 MB, in bytes of UTF-8. */
const maxMessageBytes = 256 * 1024;
/** One question to an object waits no longer, so that nothing waits there for who has left. */
const waitMs = 10_000;
const waitedWithinMs = waitMs + 5_000;

export function createTurns({ ask, encryption, digest, keptDays }: TurnsOptions): BeginTurn {
  async function newTurn(request: ChatRequest, sealed: Sealed, call: Call): Promise<NewTurn> {
    const { sessionId, projectId, message } = request;
    const { caller, idempotencyKey, deadlineMs } = call;
    const owner = [caller.tenant, caller.user ?? null];
    const ids = { sessionId: newSessionId(), messageId: crypto.randomUUID(), answerId: crypto.randomUUID() };
    return {
      ...{ sessionId, ids, projectId, keptDays },
      attempt: crypto.randomUUID(),
      title: await sealed.seal(titleFrom(message), sessionId ?? ids.sessionId),
      message: await sealed.seal(message, ids.messageId),
      digest: await digest(["chat message", owner, message]),
      claim:
        idempotencyKey === undefined
          ? undefined
          : {
              name: await digest(["chat key", owner, idempotencyKey]),
              fingerprint: await digest(["chat", owner, { ...request }]),
            },
      // Behind a key without a user there may be several, who send the same words.
      mayGoOn: caller.user !== undefined,
      leaseMs: deadlineMs + graceMs,
    };
  }

  async function inTurn(turn: NewTurn, call: Call): Promise<Exclude<BegunTurn, { state: "pending" }>> {
    const { caller } = call;
    for (let after: number | undefined; ; ) {
      const begun = await ask(caller, async (chats) => await chats.begin({ ...turn, after }));
      if (begun.state !== "pending") return begun;
      after = begun.turn;
      const settled = ask(caller, async (chats) => await chats.settled(begun.turn, waitMs), waitedWithinMs);
      if (!(await whileThere(settled, call))) throw overloaded();
    }
  }

  return async (request, call) => {
    const { caller, waitUntil } = call;
    requireShortMessage(request.message);
    const sealed = sealedFor(caller, encryption);
    const asked = await newTurn(request, sealed, call);
    const { attempt } = asked;
    const end = async (answer?: ComeAnswer) => {
      const ended = {
        ...{ attempt, isComplete: answer?.isComplete ?? false, endedMs: answer?.saidMs ?? Date.now() },
        answer: answer && { sealed: await sealed.seal(answer.text, answer.id), about: aboutText(answer.about) },
      };
      await ask(caller, async (chats) => await chats.end(ended));
    };
    const begun = await inTurn(asked, call).catch((error: unknown) => {
      // It may have begun without our hearing of it.
      waitUntil(end().catch(() => {}));
      throw error;
    });
    if (begun.state === "taken") throw keyReused();
    if (begun.state === "unknown") throw sessionNotFound();
    const { sessionId, answerId: messageId } = begun;
    if (begun.state === "answered") {
      const { answer, about, saidMs } = begun;
      const text = await sealed.open(answer, messageId);
      if (text === undefined) throw unreadable();
      return { sessionId, messageId, earlier: { text, about: aboutIn(about), saidMs } };
    }
    return {
      ...{ sessionId, messageId, history: await historyIn(begun.history, sealed) },
      end(answer) {
        const ending = end(answer && { ...answer, id: messageId }).catch(() =>
          logWarning("chat_write_failed", { requestId: call.requestId }),
        );
        waitUntil(ending);
        return ending;
      },
    };
  };
}

function requireShortMessage(message: string): void {
  if (new TextEncoder().encode(message).byteLength <= maxMessageBytes) return;
  throw new GatewayError("payload_too_large", "The message is longer than {most} bytes.", {
    code: "message_too_long",
    param: "message",
    values: { most: maxMessageBytes },
  });
}

/** What was said before, in its order. What cannot be opened any more is not called to mind. */
async function historyIn(past: readonly PastTurn[], sealed: Sealed): Promise<Said[]> {
  const turns = past.toReversed().map(async ({ messageId, message, answerId, answer }): Promise<Said[]> => {
    const [asked, said] = await Promise.all([sealed.open(message, messageId), sealed.open(answer, answerId)]);
    if (asked === undefined || said === undefined) return [];
    return [
      { role: "user", content: asked },
      { role: "assistant", content: said },
    ];
  });
  return (await Promise.all(turns)).flat();
}

/** What work comes to. Throws where the caller leaves, or his time is up. */
async function whileThere<T>(work: Promise<T>, { signal, deadlineMs }: Call): Promise<T> {
  const over = new AbortController();
  const late = pause(deadlineMs - Date.now(), AbortSignal.any([signal, over.signal]));
  try {
    const result = await Promise.race([work.then((value) => ({ value })), late]);
    if (result) return result.value;
  } finally {
    over.abort();
  }
  if (signal.aborted) throw new GatewayError("cancelled", "The caller left.");
  throw new GatewayError("deadline_exceeded", "The session's message before this one was not answered in time.", {
    code: "session_busy",
  });
}

/** The secret has changed since. */
function unreadable(): GatewayError {
  return new GatewayError("conflict", "The answer under this 'idempotency-key' cannot be read any more.", {
    code: "answer_unreadable",
    param: "idempotency-key",
  });
}
