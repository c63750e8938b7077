import { askedTwice, askObjectIn } from "../ask-object.ts";
import { type Caller, ownerName } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import { logWarning } from "../telemetry/log.ts";
import { answerWithin } from "../waiting.ts";
import type { Chats } from "./chats-object.ts";

type Stub = DurableObjectStub<Chats>;

/** How long an object may take over what it does at once. */
const answeredWithinMs = 5_000;

/** Asks the object of a caller's chats (callers of a key without a user have those of its tenant), once more where it fails. Throws 503 `chats_unavailable` where it fails or is late. */
export type AskChats = <T>(caller: Caller, question: (chats: Stub) => PromiseLike<T>, limitMs?: number) => Promise<T>;

/** The objects of a namespace; where none is bound no chat is within reach. */
export function askChatsIn(objects: DurableObjectNamespace<Chats> | undefined): AskChats {
  const ask = askedTwice(askObjectIn(objects));
  return async (caller, question, limitMs = answeredWithinMs) =>
    await answerWithin(ask(ownerName(caller), question), limitMs, unavailable);
}

function unavailable(cause?: unknown): GatewayError {
  logWarning("chats_failed", { reason: cause === undefined ? "late" : "failed" });
  return new GatewayError("upstream_unavailable", "The chats do not answer now.", { code: "chats_unavailable", cause });
}
