import * as z from "zod/mini";
import { type PeerReason, UpstreamFailure } from "../errors.ts";
import type { JsonValue } from "../generation.ts";
import { readErrorBody, reasonOfStatus } from "./http-failure.ts";
import { retryAfterMs } from "./retry-after.ts";

const errorSchema = z.object({ error: z.object({ type: z.string(), message: z.catch(z.string(), "") }) });

/** What an error answer of Anthropic's means (https://docs.anthropic.com/en/api/errors). */
export async function anthropicFailure(response: Response): Promise<UpstreamFailure> {
  const body = await readErrorBody(response);
  return UpstreamFailure.peer(reasonOf(body) ?? reasonOfStatus(response.status), {
    retryAfterMs: retryAfterMs(response.headers, Date.now()),
  });
}

/** The same for an error inside a stream. */
export function streamedAnthropicFailure(body: JsonValue): UpstreamFailure {
  return UpstreamFailure.peer(reasonOf(body) ?? "internal");
}

const reasonsByType: ReadonlyMap<string, PeerReason> = new Map([
  ["invalid_request_error", "invalid_request"],
  ["authentication_error", "unauthenticated"],
  ["billing_error", "permission_denied"],
  ["permission_error", "permission_denied"],
  ["not_found_error", "model_not_found"],
  ["request_too_large", "context_length_exceeded"],
  ["rate_limit_error", "rate_limited"],
  ["timeout_error", "deadline_exceeded"],
  ["api_error", "internal"],
  ["overloaded_error", "unavailable"],
]);

/** Anthropic has no type of its own for a prompt that is too long or a balance that is used up, only words. */
const tooLong = /prompt is too long|exceed context limit/i;
const noBalance = /credit balance/i;

function reasonOf(body: JsonValue): PeerReason | undefined {
  const parsed = errorSchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { type, message } = parsed.data.error;
  if (type === "invalid_request_error" && tooLong.test(message)) return "context_length_exceeded";
  if (type === "invalid_request_error" && noBalance.test(message)) return "permission_denied";
  return reasonsByType.get(type);
}
