import * as z from "zod/mini";
import { type PeerReason, UpstreamFailure } from "../errors.ts";
import type { JsonValue } from "../generation.ts";
import { parseJson } from "../json.ts";
import { readAnswer } from "./http.ts";
import { retryAfterMs } from "./retry-after.ts";

/** An error's body is read for its codes only, so a little of it is enough. */
const maxErrorBytes = 64 * 1024;

const errorSchema = z.object({
  error: z.object({
    code: z.catch(z.union([z.string(), z.number()]), ""),
    type: z.catch(z.string(), ""),
    param: z.catch(z.string(), ""),
  }),
});

/** What an error answer of an OpenAI-type provider means. `sent` are the names of the parameters that we sent. */
export async function failureOf(response: Response, sent: ReadonlySet<string>): Promise<UpstreamFailure> {
  const waitMs = retryAfterMs(response.headers, Date.now());
  let body: JsonValue = null;
  try {
    body = parseJson(await readAnswer(response, maxErrorBytes));
  } catch {
    // The status alone decides where the body cannot be read: many proxies answer errors in HTML.
  }
  return failureFrom(response.status, body, sent, waitMs);
}

/** The same for an error inside a stream, which has no status of its own. */
export function streamedFailure(body: JsonValue, sent: ReadonlySet<string>): UpstreamFailure {
  return failureFrom(500, body, sent);
}

function failureFrom(status: number, body: JsonValue, sent: ReadonlySet<string>, waitMs?: number): UpstreamFailure {
  const parsed = errorSchema.safeParse(body);
  const { code, type, param } = parsed.success ? parsed.data.error : { code: "", type: "", param: "" };
  const reason = reasonsByCode.get(String(code)) ?? reasonsByCode.get(type) ?? byStatus(status);
  return UpstreamFailure.peer(reason, { retryAfterMs: waitMs, param: sent.has(param) ? param : undefined });
}

/** Codes and types that say more than the status (https://platform.openai.com/docs/guides/error-codes, and Azure's content filter). */
const reasonsByCode: ReadonlyMap<string, PeerReason> = new Map([
  ["context_length_exceeded", "context_length_exceeded"],
  ["string_above_max_length", "context_length_exceeded"],
  ["content_filter", "content_filter"],
  ["content_policy_violation", "content_filter"],
  ["model_not_found", "model_not_found"],
  ["invalid_api_key", "unauthenticated"],
  ["authentication_error", "unauthenticated"],
  ["rate_limit_exceeded", "rate_limited"],
  ["insufficient_quota", "rate_limited"],
]);

function byStatus(status: number): PeerReason {
  switch (status) {
    case 401:
      return "unauthenticated";
    case 402: // the account's balance is used up (DeepSeek)
    case 403:
      return "permission_denied";
    case 404:
    case 405:
    case 410:
      return "not_found";
    case 408:
      return "deadline_exceeded";
    case 409:
      return "conflict";
    case 429:
      return "rate_limited";
    case 501:
      return "unimplemented";
    case 502:
    case 503:
      return "unavailable";
    case 504:
      return "deadline_exceeded";
  }
  return status >= 500 ? "internal" : "invalid_request";
}
