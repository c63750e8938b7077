import { type Sentence, tell, type Values } from "./error-sentences.ts";
import type { Language } from "./language.ts";

/** The closed set of what a caller can be told. Statuses and envelopes are in `http/envelopes.ts`. */
export type ErrorKind =
  | "invalid_request"
  | "unauthenticated"
  | "permission_denied"
  | "not_found"
  | "unknown_path"
  | "method_not_allowed"
  | "conflict"
  | "request_timeout"
  | "payload_too_large"
  | "unsupported_media_type"
  | "rate_limited"
  /** What a policy allows is used up, ... */
  | "quota_exceeded"
  /** ... and what the platform gives one of its users, whose clients know the refusal by another code. */
  | "quota_exhausted"
  | "quota_suspended"
  | "cancelled"
  | "internal"
  | "upstream_bad_response"
  | "upstream_auth"
  | "upstream_unavailable"
  | "overloaded"
  | "config_error"
  | "loop_detected"
  | "deadline_exceeded";

export interface GatewayErrorOptions {
  /** Machine-readable reason, finer than the kind (`unknown_field`, `context_length_exceeded`); the kind where absent. */
  readonly code?: string;
  /** The request field or parameter at fault. */
  readonly param?: string;
  /** What stands in the sentence, but for the parameter. */
  readonly values?: Values;
  readonly retryAfterMs?: number;
  /** False where the caller must not ask again although the kind would allow it. */
  readonly shouldRetry?: false;
  /** The methods that the path has; `method_not_allowed` only. */
  readonly allow?: readonly string[];
  /** For the log only. */
  readonly cause?: unknown;
}

/** An error for the caller. The message is ours, in English, and safe to show; the cause never leaves the gateway. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly kind: ErrorKind;
  readonly code: string;
  readonly param?: string;
  readonly sentence: Sentence;
  readonly values: Values;
  readonly retryAfterMs?: number;
  readonly shouldRetry?: false;
  readonly allow?: readonly string[];

  constructor(kind: ErrorKind, sentence: Sentence, options: GatewayErrorOptions = {}) {
    const { values = {} } = options;
    super(tell(sentence, values, options.param, "en"), { cause: options.cause });
    this.kind = kind;
    this.code = options.code ?? kind;
    this.param = options.param;
    this.sentence = sentence;
    this.values = values;
    this.retryAfterMs = options.retryAfterMs;
    this.shouldRetry = options.shouldRetry;
    this.allow = options.allow;
  }

  /** The message in a language. */
  messageIn(language: Language): string {
    return language === "en" ? this.message : tell(this.sentence, this.values, this.param, language);
  }
}

/** The same error, with its parameter under another name, in its message too. */
export function withParam(error: GatewayError, param: string): GatewayError {
  return new GatewayError(error.kind, error.sentence, { ...error, cause: error.cause, param });
}

/** 404 for a model that nobody has, or that the settings do not allow. `param` is the field that named it. */
export function modelNotFound(param: string): GatewayError {
  return new GatewayError("not_found", "The model does not exist or is not offered here.", {
    code: "model_not_found",
    param,
  });
}

/** What was thrown, as a caller may hear of it; anything unforeseen is `internal`. */
export function callerError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError("internal", "The gateway failed.", { code: "internal_error", cause: thrown });
}
