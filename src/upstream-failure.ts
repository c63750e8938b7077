/** What a provider itself can say against a request. */
export const peerReasons = [
  "unavailable",
  "internal",
  "aborted",
  "conflict",
  "rate_limited",
  "quota_exhausted",
  "deadline_exceeded",
  "unimplemented",
  "not_found",
  "model_not_found",
  "resource_not_found",
  "unauthenticated",
  "permission_denied",
  "canceled",
  "redirected",
  "loop_detected",
  "context_length_exceeded",
  "unsupported_parameter",
  "invalid_request",
  "content_filter",
] as const;
export type PeerReason = (typeof peerReasons)[number];

/** What our side of the wire can see go wrong, whatever the provider meant. `mismatched`: the answer is to another request. */
export const wireReasons = [
  "unavailable",
  "timeout",
  "malformed",
  "truncated",
  "oversized",
  "empty",
  "mismatched",
] as const;
export type WireReason = (typeof wireReasons)[number];

/** Why an attempt at a provider failed: who found it, and one word of a closed set. */
export type FailureCause =
  | { readonly origin: "peer"; readonly reason: PeerReason }
  | { readonly origin: "wire"; readonly reason: WireReason };

export interface FailureOptions {
  /** How long the peer asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The caller's parameter that the peer objected to, when it is one that the caller sent. */
  readonly param?: string;
  /** A parameter that the peer objected to and that only the gateway had added. */
  readonly addedParam?: string;
  /** How an empty answer ended. */
  readonly finishReason?: string;
  /** For our own debugging; never logged, since it may hold what the peer wrote. */
  readonly cause?: unknown;
}

/**
 * A provider's failed attempt, translated at the provider's border; `resilience/failures.ts` says where it leads.
 * Nothing that the peer wrote is in its message.
 */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  readonly failure: FailureCause;
  readonly retryAfterMs?: number;
  readonly param?: string;
  readonly addedParam?: string;
  readonly finishReason?: string;

  private constructor(failure: FailureCause, options: FailureOptions) {
    super(`${failure.origin}: ${failure.reason}`, { cause: options.cause });
    this.failure = failure;
    this.retryAfterMs = options.retryAfterMs;
    this.param = options.param;
    this.addedParam = options.addedParam;
    this.finishReason = options.finishReason;
  }

  static peer(reason: PeerReason, options: FailureOptions = {}): UpstreamFailure {
    return new UpstreamFailure({ origin: "peer", reason }, options);
  }

  static wire(reason: WireReason, options: FailureOptions = {}): UpstreamFailure {
    return new UpstreamFailure({ origin: "wire", reason }, options);
  }
}
