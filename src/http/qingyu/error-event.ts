import type { GatewayError } from "../../errors.ts";
import type { Language } from "../../language.ts";
import { qingyuCodeOf } from "../envelopes.ts";
import { sseEvent } from "../event-stream.ts";
import type { QingyuErrorEvent } from "./answers.ts";

/** The event that tells of a failure; nothing follows it. */
export function errorEvent(error: GatewayError, language: Language, requestId: string): string {
  const message = error.messageIn(language);
  const failed: QingyuErrorEvent = { code: qingyuCodeOf(error), message, error: message, requestId };
  return sseEvent(JSON.stringify(failed), "error");
}
