import { askedTwice, askObjectIn } from "../ask-object.ts";
import type { Caller } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import { logWarning } from "../telemetry/log.ts";
import { answerWithin } from "../waiting.ts";
import type { Chats } from "./chats-object.ts";

type Stub = DurableObjectStub<Chats>;

/** How long an object may take over what it does at once. */
const answeredWithinMs = 5_000;

/** Asks the object of a caller's chats, once more where it fails. Throws 503 `chats_unavailable` where it fails or is late. */
export type AskChats = <T>(caller: Caller, question: (chats: Stub) => PromiseLike<T>, limitMs?: number) => Promise<T>;

/** The objects of a namespace; where none is bound no chat is within reach. */
export function askChatsIn(objects: DurableObjectNamespace<Chats> | undefined): AskChats {
  const ask = askedTwice(askObjectIn(objects));
  return async (caller, question, limitMs = answeredWithinMs) =>
    await answerWithin(ask(ownerOf(caller), question), limitMs, unavailable);
}

/** A token's user has chats of his own; the callers of a key without one have those of its tenant. No tenant's name looks like a user's. */
function ownerOf({ tenant, user }: Caller): string {
  return user === undefined ? tenant : JSON.stringify([tenant, user]);
}

function unavailable(cause?: unknown): GatewayError {
  logWarning("chats_failed", { reason: cause === undefined ? "late" : "failed" });
  return new GatewayError("upstream_unavailable", "The chats do not answer now.", { code: "chats_unavailable", cause });
}
