import * as z from "zod/mini";
import type { JsonValue } from "../../generation.ts";
import { type PeerReason, UpstreamFailure } from "../../upstream-failure.ts";
import { readErrorBody, reasonOfStatus } from "../wire/failure.ts";
import { retryAfterMs } from "../wire/retry-after.ts";

const errorSchema = z.object({
  error: z.object({
    code: z.catch(z.union([z.string(), z.number()]), ""),
    type: z.catch(z.string(), ""),
    param: z.catch(z.string(), ""),
  }),
});

/** What an error answer of an OpenAI-type provider means. `sent` are the names of the parameters that we sent. */
export async function openAiFailure(response: Response, sent: ReadonlySet<string>): Promise<UpstreamFailure> {
  const waitMs = retryAfterMs(response.headers, Date.now());
  const { reason, param } = errorIn(await readErrorBody(response), response.status, sent);
  return UpstreamFailure.peer(reason, { param, retryAfterMs: waitMs });
}

/** The same for an error inside a stream, which has no status of its own. */
export function streamedOpenAiFailure(body: JsonValue, sent: ReadonlySet<string>): UpstreamFailure {
  const { reason, param } = errorIn(body, 500, sent);
  return UpstreamFailure.peer(reason, { param });
}

function errorIn(body: JsonValue, status: number, sent: ReadonlySet<string>) {
  const parsed = errorSchema.safeParse(body);
  const { code, type, param } = parsed.success ? parsed.data.error : { code: "", type: "", param: "" };
  const reason = reasonsByOpenAiCode.get(String(code)) ?? reasonsByOpenAiCode.get(type) ?? reasonOfStatus(status);
  return { reason, param: sent.has(param) ? param : undefined };
}

/** Codes and types that say more than the status (https://platform.openai.com/docs/guides/error-codes, and Azure's content filter). */
export const reasonsByOpenAiCode: ReadonlyMap<string, PeerReason> = new Map([
  ["context_length_exceeded", "context_length_exceeded"],
  ["string_above_max_length", "context_length_exceeded"],
  ["content_filter", "content_filter"],
  ["content_policy_violation", "content_filter"],
  ["model_not_found", "model_not_found"],
  ["invalid_api_key", "unauthenticated"],
  ["authentication_error", "unauthenticated"],
  ["rate_limit_exceeded", "rate_limited"],
  ["insufficient_quota", "quota_exhausted"],
]);
