import type { Sentence } from "../error-sentences.ts";
import { type ErrorKind, GatewayError, type GatewayErrorOptions } from "../errors.ts";
import type { FailureCause, PeerReason, UpstreamFailure, WireReason } from "../upstream-failure.ts";

export interface Verdict {
  /** Whether the next provider is asked, or the caller is told at once. */
  readonly leadsTo: "next" | "caller";
  /** Whether the same provider may be asked once more first. */
  readonly retry: boolean;
  /** What it says something about: the provider's connection, the model (or what was asked of it), or nothing but this request. */
  readonly blame: "connection" | "model" | "nobody";
  /** Whether somebody should look at it: our credential, an answer to somebody else, or a loop. */
  readonly alarm: boolean;
  readonly kind: ErrorKind;
  /** The error's code where it is finer than the kind. */
  readonly code?: string;
  readonly sentence: Sentence;
}

type Rest = Partial<Pick<Verdict, "leadsTo" | "retry" | "blame" | "alarm" | "code">>;

/** Unless told otherwise, a failure leads to the next provider, is not retried, and counts against the provider's model. */
function verdict(kind: ErrorKind, sentence: Sentence, rest: Rest = {}): Verdict {
  return { leadsTo: "next", retry: false, blame: "model", alarm: false, kind, sentence, ...rest };
}

const retry = true;
const alarm = true;
const blame = "nobody";

/**
 * The one table of what leads where: by origin first, then by reason. docs/reliability.md shows it.
 * `peer` is what the provider said, `wire` what our side of the wire saw.
 */
export const verdicts: {
  readonly peer: Readonly<Record<PeerReason, Verdict>>;
  readonly wire: Readonly<Record<WireReason, Verdict>>;
} = {
  peer: {
    unavailable: verdict("upstream_unavailable", "The AI provider is not available.", { retry }),
    internal: verdict("upstream_unavailable", "The AI provider failed.", { retry }),
    aborted: verdict("upstream_unavailable", "The AI provider gave the request up."),
    conflict: verdict("upstream_unavailable", "The AI provider could not take the request now.", {
      blame,
    }),
    unimplemented: verdict("upstream_unavailable", "The AI provider does not offer this operation.", {
      blame,
    }),
    canceled: verdict("upstream_unavailable", "The AI provider gave the request up."),
    rate_limited: verdict("rate_limited", "The AI provider is at its limit.", { retry, code: "rate_limit_exceeded" }),
    quota_exhausted: verdict("rate_limited", "The AI provider's account is used up.", {
      alarm,
      code: "rate_limit_exceeded",
    }),
    deadline_exceeded: verdict("deadline_exceeded", "The AI provider did not finish in time.", {
      code: "upstream_timeout",
    }),
    not_found: verdict("upstream_bad_response", "The AI provider does not know this operation."),
    model_not_found: verdict("not_found", "The AI provider does not have this model.", {
      blame,
      code: "model_not_found",
    }),
    resource_not_found: verdict("not_found", "The AI provider does not have what the request is about.", {
      blame,
      code: "not_found",
    }),
    // Our credential, not the caller's: never shown as a 401 or 403.
    unauthenticated: verdict("upstream_auth", "The gateway could not authenticate with the AI provider.", { alarm }),
    permission_denied: verdict("upstream_auth", "The gateway is not permitted to use the AI provider.", { alarm }),
    redirected: verdict("upstream_bad_response", "The AI provider answered with a redirect."),
    loop_detected: verdict("loop_detected", "The AI provider leads back to a gateway that asks it.", {
      blame,
      alarm,
    }),
    context_length_exceeded: verdict("invalid_request", "The request is longer than the model's context.{about}", {
      blame,
      code: "context_length_exceeded",
    }),
    unsupported_parameter: verdict(
      "invalid_request",
      "The AI provider's model does not have a parameter of the request.{about}",
      {
        blame,
        code: "unsupported_parameter",
      },
    ),
    invalid_request: verdict("invalid_request", "The AI provider refused the request as invalid.{about}", {
      leadsTo: "caller",
      blame,
    }),
    content_filter: verdict("invalid_request", "The AI provider's content filter refused the request.{about}", {
      leadsTo: "caller",
      blame,
      code: "content_filter",
    }),
  },
  wire: {
    unavailable: verdict("upstream_unavailable", "The AI provider could not be reached.", {
      retry,
      blame: "connection",
    }),
    timeout: verdict("deadline_exceeded", "The AI provider did not answer in time.", { code: "upstream_timeout" }),
    malformed: verdict("upstream_bad_response", "The AI provider's answer could not be understood."),
    truncated: verdict("upstream_bad_response", "The AI provider's answer ended too early."),
    oversized: verdict("upstream_bad_response", "The AI provider's answer is too large."),
    empty: verdict("upstream_bad_response", "The AI provider's answer is empty."),
    mismatched: verdict("upstream_bad_response", "The AI provider answered another request.", {
      blame,
      alarm,
    }),
  },
};

/** What the table says of a failure. */
export function verdictOn({ origin, reason }: FailureCause): Verdict {
  return origin === "peer" ? verdicts.peer[reason] : verdicts.wire[reason];
}

/** The failure as the caller is told of it. */
export function toGatewayError(
  failure: UpstreamFailure,
  options: Pick<GatewayErrorOptions, "shouldRetry"> = {},
): GatewayError {
  const { kind, code, sentence } = verdictOn(failure.failure);
  const { param, retryAfterMs } = failure;
  return new GatewayError(kind, sentence, { ...options, code, param, retryAfterMs, cause: failure });
}
