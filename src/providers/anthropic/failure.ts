import * as z from "zod/mini";
import type { JsonValue } from "../../generation.ts";
import { type PeerReason, UpstreamFailure } from "../../upstream-failure.ts";
import { readErrorBody, reasonOfStatus } from "../wire/failure.ts";
import { retryAfterMs } from "../wire/retry-after.ts";

const errorSchema = z.object({ error: z.object({ type: z.string(), message: z.catch(z.string(), "") }) });

/** What an error answer of Anthropic's means (https://docs.anthropic.com/en/api/errors). */
export async function anthropicFailure(response: Response): Promise<UpstreamFailure> {
  const { status, headers } = response;
  const reason = reasonOf(await readErrorBody(response)) ?? reasonsByStatus.get(status) ?? reasonOfStatus(status);
  return UpstreamFailure.peer(reason, { retryAfterMs: retryAfterMs(headers, Date.now()) });
}

/** The same for an error inside a stream, which has no status of its own. */
export function streamedAnthropicFailure(body: JsonValue): UpstreamFailure {
  return UpstreamFailure.peer(reasonOf(body) ?? "internal");
}

/** Statuses that mean more with Anthropic than elsewhere. */
const reasonsByStatus: ReadonlyMap<number, PeerReason> = new Map([
  [413, "context_length_exceeded"],
  [529, "unavailable"],
]);

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

/** What Anthropic has no type of its own for, only words: neither a long prompt nor our account is an invalid request. */
const reasonsByWords: readonly (readonly [RegExp, PeerReason])[] = [
  [/prompt is too long|exceed context limit/i, "context_length_exceeded"],
  [/blocked by content filtering/i, "content_filter"],
  [/credit balance|API usage limits|organization has been disabled/i, "permission_denied"],
];

function reasonOf(body: JsonValue): PeerReason | undefined {
  const parsed = errorSchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { type, message } = parsed.data.error;
  const inWords = type === "invalid_request_error" && reasonsByWords.find(([words]) => words.test(message));
  return inWords ? inWords[1] : reasonsByType.get(type);
}
