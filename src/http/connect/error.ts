import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc-web";
import type { ErrorKind, GatewayError } from "../../errors.ts";
import { AIService } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { retryHeaders } from "../envelopes.ts";
import type { Surface } from "../surface.ts";

/** Connect's code for each kind (the README's table of failures). */
const codes: Readonly<Record<ErrorKind, Code>> = {
  invalid_request: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  method_not_allowed: Code.NotFound,
  conflict: Code.AlreadyExists,
  payload_too_large: Code.ResourceExhausted,
  unsupported_media_type: Code.InvalidArgument,
  rate_limited: Code.ResourceExhausted,
  quota_exceeded: Code.ResourceExhausted,
  cancelled: Code.Canceled,
  internal: Code.Internal,
  upstream_bad_response: Code.Internal,
  upstream_auth: Code.Internal,
  upstream_unavailable: Code.Unavailable,
  config_error: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
};

/** The error as Connect's own handlers encode it. */
export function toConnectError(error: GatewayError): ConnectError {
  return new ConnectError(error.message, codes[error.kind], retryHeaders(error));
}

/** The contract itself, over Connect and gRPC-Web. */
export const connectSurface: Surface = {
  prefix: `/${AIService.typeName}/`,
  errorResponse: (error, { request }) => connectErrorResponse(request, toConnectError(error)),
};

/** An answer to a call that failed before it reached its handler, in the protocol that the request speaks. */
export function connectErrorResponse(request: Request, error: ConnectError): Response {
  const type = request.headers.get("content-type") ?? "";
  if (type.startsWith("application/grpc-web")) {
    return new Response(null, { headers: setTrailerStatus(new Headers({ "content-type": type }), error) });
  }
  const headers = new Headers(error.metadata);
  if (type.startsWith("application/connect+")) {
    headers.set("content-type", type);
    const end = createEndStreamSerialization(undefined).serialize({ error, metadata: new Headers() });
    return new Response(encodeEnvelope(endStreamFlag, end), { headers });
  }
  headers.set("content-type", "application/json");
  return new Response(errorToJsonBytes(error, undefined), { status: codeToHttpStatus(error.code), headers });
}
