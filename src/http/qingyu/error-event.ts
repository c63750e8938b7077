import type { GatewayError } from "../../errors.ts";
import { envelopes } from "../envelopes.ts";
import { sseEvent } from "../event-stream.ts";
import type { QingyuErrorEvent } from "./answers.ts";

/** The event that tells of a failure; nothing follows it. */
export function errorEvent({ kind, message }: GatewayError, requestId: string): string {
  const failed: QingyuErrorEvent = { code: envelopes[kind].qingyuCode, message, error: message, requestId };
  return sseEvent(JSON.stringify(failed), "error");
}
