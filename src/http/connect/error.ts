import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorKind, GatewayError } from "../../errors.ts";
import { retryHeaders } from "../envelopes.ts";

/** Connect's code for each kind (the README's table of failures). */
const codes: Readonly<Record<ErrorKind, Code>> = {
  invalid_request: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  unknown_path: Code.Unimplemented,
  // Connect has no code for it; it is what its clients make of the status.
  method_not_allowed: Code.Unknown,
  request_timeout: Code.DeadlineExceeded,
  conflict: Code.AlreadyExists,
  payload_too_large: Code.ResourceExhausted,
  unsupported_media_type: Code.InvalidArgument,
  rate_limited: Code.ResourceExhausted,
  quota_exceeded: Code.ResourceExhausted,
  quota_exhausted: Code.ResourceExhausted,
  quota_suspended: Code.PermissionDenied,
  cancelled: Code.Canceled,
  internal: Code.Internal,
  upstream_bad_response: Code.Internal,
  upstream_auth: Code.Internal,
  upstream_unavailable: Code.Unavailable,
  overloaded: Code.Unavailable,
  config_error: Code.Unavailable,
  loop_detected: Code.FailedPrecondition,
  deadline_exceeded: Code.DeadlineExceeded,
};

/** The error as Connect's own handlers encode it. */
export function toConnectError(error: GatewayError): ConnectError {
  const { kind, message } = error;
  // Connect has no code for it; a gateway that asked us knows it by the word (providers/ai-service/failure.ts).
  const words = kind === "loop_detected" ? `${kind}: ${message}` : message;
  return new ConnectError(words, codes[kind], retryHeaders(error));
}
