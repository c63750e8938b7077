import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type PeerReason, UpstreamFailure } from "../../upstream-failure.ts";
import { reasonOfWord } from "../wire/reasons.ts";
import { retryAfterMs } from "../wire/retry-after.ts";
import { type ErrorDetails, errorDetailsOf } from "./error-details.ts";

/**
 * What an error of a call of `method` means. Connect reports what the peer said and what its own side of the wire saw with
 * the same codes: a torn frame is `invalid_argument` too. What the peer said came from the wire, or is its HTTP status and
 * then carries the answer's headers.
 */
export function connectFailure(error: unknown, method: DescMethod): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const connectError = ConnectError.from(error);
  if (connectError.cause instanceof UpstreamFailure) return connectError.cause;
  const isPeerError = connectError.isWireError || !connectError.metadata.keys().next().done;
  if (!isPeerError) return wireFailure(connectError);
  const details = errorDetailsOf(connectError);
  return UpstreamFailure.peer(reasonOf(connectError, details, method), {
    retryAfterMs: retryAfterMs(connectError.metadata, Date.now()) ?? details.retryAfterMs,
    cause: connectError,
  });
}

/** An error with what an answer's headers tell beside it, each thing once: some services put it into both. */
export function withHeaders(error: ConnectError, headers: Headers): ConnectError {
  for (const [name, value] of headers) if (!error.metadata.has(name)) error.metadata.set(name, value);
  return error;
}

function reasonOf({ code, rawMessage }: ConnectError, { reason }: ErrorDetails, { input }: DescMethod): PeerReason {
  const detailed = reason === undefined ? undefined : reasonOfWord(reason);
  if (detailed) return detailed;
  // A service may say any number, and Connect takes a name such as `constructor` for a code.
  if (!codes.has(code)) return "internal";
  // The word that our own AI service, or a gateway, puts before a message whose code alone would lead elsewhere (its errors.py).
  const [word = ""] = rawMessage.split(":", 1);
  const finer = finerReasons[code]?.get(word);
  if (finer) return finer;
  return code === Code.NotFound && !namesModel(input) ? "resource_not_found" : reasonsByConnectCode[code];
}

/** Whether a request of this type can name a model. */
function namesModel({ fields }: DescMessage): boolean {
  return fields.some(({ name, message }) => name === "model" || (name === "options" && message && namesModel(message)));
}

const codes: ReadonlySet<unknown> = new Set(Object.values(Code).filter((code) => typeof code === "number"));

function wireFailure(error: ConnectError): UpstreamFailure {
  switch (error.code) {
    case Code.ResourceExhausted:
      return UpstreamFailure.wire("oversized", { cause: error });
    case Code.DeadlineExceeded:
      return UpstreamFailure.wire("timeout", { cause: error });
    default:
      return UpstreamFailure.wire(isTorn(error) ? "truncated" : "malformed", { cause: error });
  }
}

/** Whether the answer ended too early: the runtime said so while it was read, or Connect missed its end. */
function isTorn({ cause, rawMessage }: ConnectError): boolean {
  return (cause instanceof Error && !(cause instanceof SyntaxError)) || missingEnd.test(rawMessage);
}

/** How Connect words an answer that ended too early; the words only choose between two names of the same consequence. */
const missingEnd = /incomplete envelope|missing (EndStreamResponse|trailer)|promised \d+ bytes/;

const finerReasons: Partial<Readonly<Record<Code, ReadonlyMap<string, PeerReason>>>> = {
  [Code.InvalidArgument]: new Map([
    ["context_length_exceeded", "context_length_exceeded"],
    ["content_filter", "content_filter"],
    ["unsupported_parameter", "unsupported_parameter"],
  ]),
  // Of a request that names none: the service's own.
  [Code.NotFound]: new Map([["model_not_found", "model_not_found"]]),
  // A gateway in the service's place (http/connect/error.ts).
  [Code.FailedPrecondition]: new Map([["loop_detected", "loop_detected"]]),
  [Code.ResourceExhausted]: new Map([["quota_exhausted", "quota_exhausted"]]),
  // The service's own key at the model's provider: asking again does not help, and somebody must know.
  [Code.Unavailable]: new Map([["model_credential", "permission_denied"]]),
};

/** What Connect's codes mean when the provider says them. */
export const reasonsByConnectCode: Readonly<Record<Code, PeerReason>> = {
  [Code.Canceled]: "canceled",
  [Code.Unknown]: "internal",
  [Code.InvalidArgument]: "invalid_request",
  [Code.DeadlineExceeded]: "deadline_exceeded",
  [Code.NotFound]: "model_not_found",
  [Code.AlreadyExists]: "invalid_request",
  [Code.PermissionDenied]: "permission_denied",
  [Code.ResourceExhausted]: "rate_limited",
  [Code.FailedPrecondition]: "invalid_request",
  [Code.Aborted]: "aborted",
  [Code.OutOfRange]: "invalid_request",
  [Code.Unimplemented]: "unimplemented",
  [Code.Internal]: "internal",
  [Code.Unavailable]: "unavailable",
  [Code.DataLoss]: "internal",
  [Code.Unauthenticated]: "unauthenticated",
};
