import type { ErrorKind, GatewayError } from "../errors.ts";
import type { Language } from "../language.ts";

interface Envelope {
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 429 | 499 | 500 | 502 | 503 | 504 | 508;
  /** OpenAI's `error.type`. */
  readonly type: string;
  /** The Qingyu platform's `code`. */
  readonly qingyuCode: number;
  /** Whether asking again can help, where the caller could not guess it from the status. */
  readonly retry?: boolean;
}

/** One kind, one status, one word in each surface's language (the README's table of failures). Connect's codes are in `connect/error.ts`. */
export const envelopes: Readonly<Record<ErrorKind, Envelope>> = {
  invalid_request: { status: 400, type: "invalid_request_error", qingyuCode: 1001, retry: false },
  unauthenticated: { status: 401, type: "authentication_error", qingyuCode: 1002, retry: false },
  permission_denied: { status: 403, type: "permission_error", qingyuCode: 1003, retry: false },
  not_found: { status: 404, type: "invalid_request_error", qingyuCode: 1004, retry: false },
  unknown_path: { status: 404, type: "invalid_request_error", qingyuCode: 1004, retry: false },
  method_not_allowed: { status: 405, type: "invalid_request_error", qingyuCode: 1004, retry: false },
  request_timeout: { status: 408, type: "invalid_request_error", qingyuCode: 1001 },
  conflict: { status: 409, type: "invalid_request_error", qingyuCode: 1001, retry: false },
  payload_too_large: { status: 413, type: "invalid_request_error", qingyuCode: 1001, retry: false },
  unsupported_media_type: { status: 415, type: "invalid_request_error", qingyuCode: 1001, retry: false },
  rate_limited: { status: 429, type: "rate_limit_exceeded", qingyuCode: 4290 },
  quota_exceeded: { status: 429, type: "insufficient_quota", qingyuCode: 3010, retry: false },
  quota_exhausted: { status: 429, type: "insufficient_quota", qingyuCode: 429, retry: false },
  quota_suspended: { status: 403, type: "permission_error", qingyuCode: 403, retry: false },
  cancelled: { status: 499, type: "server_error", qingyuCode: 5000, retry: false },
  internal: { status: 500, type: "server_error", qingyuCode: 5000 },
  upstream_bad_response: { status: 502, type: "server_error", qingyuCode: 5004 },
  upstream_auth: { status: 502, type: "server_error", qingyuCode: 5004, retry: false },
  upstream_unavailable: { status: 503, type: "server_error", qingyuCode: 5002 },
  overloaded: { status: 503, type: "server_error", qingyuCode: 5002 },
  config_error: { status: 503, type: "server_error", qingyuCode: 5002, retry: false },
  loop_detected: { status: 508, type: "server_error", qingyuCode: 5002, retry: false },
  // The time that the request may take is spent; an SDK that asks again at once would only double the wait.
  deadline_exceeded: { status: 504, type: "server_error", qingyuCode: 5002, retry: false },
};

/** An error's body with the status and the headers that belong to it; with another status in a language that has one. */
export function errorJson(error: GatewayError, body: object, status: number = envelopes[error.kind].status): Response {
  return Response.json(body, { status, headers: retryHeaders(error) });
}

/** OpenAI's error body (https://platform.openai.com/docs/guides/error-codes) with the request's id. */
export function openAiError(error: GatewayError, requestId: string) {
  const { type } = envelopes[error.kind];
  return {
    error: { message: error.message, type, param: error.param ?? null, code: error.code, request_id: requestId },
  };
}

/** The Qingyu platform's envelope around data; `timestamp` in Unix milliseconds. */
export function qingyuSuccess<T>(data: T, requestId: string, message: string) {
  return { code: 0 as const, message, data, timestamp: Date.now(), request_id: requestId };
}

/** What the platform's clients know of tokens; of a key, and of who brings nothing, they know that nobody has logged in. */
const qingyuTokenCodes: ReadonlyMap<string, number> = new Map([
  ["token_expired", 1102],
  ["invalid_token", 1103],
]);

/** What the platform calls an error. */
export function qingyuCodeOf({ kind, code }: GatewayError): number {
  return qingyuTokenCodes.get(code) ?? envelopes[kind].qingyuCode;
}

/** Kinds whose envelope has no place for data, as the platform's own quotas have it. */
const withoutData: ReadonlySet<ErrorKind> = new Set(["quota_exhausted", "quota_suspended"]);

/** The Qingyu platform's envelope around no data, for people who read this language. */
export function qingyuError(error: GatewayError, language: Language, requestId: string, nowMs: number) {
  return {
    code: qingyuCodeOf(error),
    message: error.messageIn(language),
    ...(!withoutData.has(error.kind) && { data: null }),
    error: error.code,
    ...(error.param !== undefined && { param: error.param }),
    timestamp: nowMs,
    request_id: requestId,
  };
}

/** For kinds that always name a time to come back, where no provider named one. */
const defaultRetryAfterMs: Partial<Readonly<Record<ErrorKind, number>>> = {
  rate_limited: 1_000,
  upstream_unavailable: 1_000,
  overloaded: 1_000,
  config_error: 60_000,
};

/** The headers that tell a client whether and when to ask again; the OpenAI SDKs follow all three. */
export function retryHeaders({ kind, retryAfterMs, shouldRetry }: GatewayError): Record<string, string> {
  const headers: Record<string, string> = {};
  const waitMs = retryAfterMs ?? defaultRetryAfterMs[kind];
  if (waitMs !== undefined) {
    headers["retry-after"] = String(Math.ceil(waitMs / 1000));
    headers["retry-after-ms"] = String(Math.ceil(waitMs));
  }
  if (envelopes[kind].retry === false || shouldRetry === false) headers["x-should-retry"] = "false";
  return headers;
}
