import {
  type ErrorKind,
  type FailureCause,
  GatewayError,
  type PeerReason,
  type UpstreamFailure,
  type WireReason,
} from "../errors.ts";

interface Verdict {
  /** Whether the next provider is asked, or the caller is told at once. */
  readonly leadsTo: "next" | "caller";
  readonly kind: ErrorKind;
  /** The error's code where it is finer than the kind. */
  readonly code?: string;
  readonly message: string;
}

const next = (kind: ErrorKind, message: string, code?: string): Verdict => ({ leadsTo: "next", kind, message, code });
const caller = (kind: ErrorKind, message: string, code?: string): Verdict => ({
  leadsTo: "caller",
  kind,
  message,
  code,
});

/** What the provider said. With `wire` below, the one table of what leads where (design section 5): by origin first, then by reason. */
const peer: Record<PeerReason, Verdict> = {
  unavailable: next("upstream_unavailable", "The AI provider is not available."),
  internal: next("upstream_unavailable", "The AI provider failed."),
  aborted: next("upstream_unavailable", "The AI provider gave the request up."),
  conflict: next("upstream_unavailable", "The AI provider could not take the request now."),
  unimplemented: next("upstream_unavailable", "The AI provider does not offer this operation."),
  canceled: next("upstream_unavailable", "The AI provider gave the request up."),
  rate_limited: next("rate_limited", "The AI provider is at its limit."),
  deadline_exceeded: next("deadline_exceeded", "The AI provider did not finish in time.", "upstream_timeout"),
  not_found: next("upstream_bad_response", "The AI provider does not know this operation."),
  model_not_found: next("not_found", "The AI provider does not have this model.", "model_not_found"),
  // Our credential, not the caller's: never shown as a 401 or 403.
  unauthenticated: next("upstream_auth", "The gateway could not authenticate with the AI provider."),
  permission_denied: next("upstream_auth", "The gateway is not permitted to use the AI provider."),
  redirected: next("upstream_bad_response", "The AI provider answered with a redirect."),
  context_length_exceeded: next(
    "invalid_request",
    "The request is longer than the model's context.",
    "context_length_exceeded",
  ),
  invalid_request: caller("invalid_request", "The AI provider refused the request as invalid."),
  content_filter: caller("invalid_request", "The AI provider's content filter refused the request.", "content_filter"),
};

/** What our side of the wire saw. */
const wire: Record<WireReason, Verdict> = {
  unavailable: next("upstream_unavailable", "The AI provider could not be reached."),
  timeout: next("deadline_exceeded", "The AI provider did not answer in time.", "upstream_timeout"),
  malformed: next("upstream_bad_response", "The AI provider's answer could not be understood."),
  truncated: next("upstream_bad_response", "The AI provider's answer ended too early."),
  oversized: next("upstream_bad_response", "The AI provider's answer is too large."),
  empty: next("upstream_bad_response", "The AI provider's answer is empty."),
};

const verdictOn = (failure: FailureCause): Verdict =>
  failure.origin === "peer" ? peer[failure.reason] : wire[failure.reason];

/** Whether another provider may still answer the request after this failure. */
export function leadsToNext(failure: UpstreamFailure): boolean {
  return verdictOn(failure.failure).leadsTo === "next";
}

/** The failure as the caller is told of it. */
export function toGatewayError(failure: UpstreamFailure): GatewayError {
  const { kind, code, message } = verdictOn(failure.failure);
  return new GatewayError(kind, message, {
    code,
    param: failure.param,
    retryAfterMs: failure.retryAfterMs,
    cause: failure,
  });
}
