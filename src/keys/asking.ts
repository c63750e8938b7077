import { askObjectIn } from "../ask-object.ts";
import { GatewayError } from "../errors.ts";
import { logWarning } from "../telemetry/log.ts";
import { answerWithin } from "../waiting.ts";
import type { KeyRegistry } from "./registry.ts";

/** How long a registry may take to say whose a key is; a caller waits for it. */
export const saidWithinMs = 1_000;
/** How long it may take to make, rotate or revoke one. */
export const doneWithinMs = 5_000;

type Registry = DurableObjectStub<KeyRegistry>;

/** Asks the registry of a name. Throws 503 `key_registry_unavailable` where it fails, is late, or there is none. */
export type AskRegistry = <T>(
  name: string,
  question: (registry: Registry) => PromiseLike<T>,
  limitMs: number,
) => Promise<T>;

/** By the objects of a namespace; absent where none is bound. */
export function askRegistriesIn(objects: DurableObjectNamespace<KeyRegistry> | undefined): AskRegistry {
  const ask = askObjectIn(objects);
  return async (name, question, limitMs) => await answerWithin(ask(name, question), limitMs, unavailable);
}

function unavailable(cause?: unknown): GatewayError {
  logWarning("key_registry_failed", { reason: cause === undefined ? "late" : "failed" });
  return new GatewayError("upstream_unavailable", "The registry of keys does not answer now.", {
    code: "key_registry_unavailable",
    cause,
  });
}
