import { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc-web";
import { mediaType } from "../../body.ts";
import type { ErrorKind, GatewayError } from "../../errors.ts";
import { AIService } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { envelopes } from "../envelopes.ts";
import type { Surface } from "../surface.ts";
import { toConnectError } from "./error.ts";

/** The contract itself, over Connect and gRPC-Web. */
export const connectSurface: Surface = {
  prefix: `/${AIService.typeName}/`,
  isSpokenIn: (headers) =>
    headers.has("connect-protocol-version") || /^application\/(grpc-web|connect\+|proto$)/.test(mediaType(headers)),
  statusOf: (error) => httpStatusOf(error) ?? codeToHttpStatus(toConnectError(error).code),
  errorResponse: (error, { request }) => connectErrorResponse(request, toConnectError(error), httpStatusOf(error)),
};

/** What HTTP has a status for and a call has not come to: all clients know these, whatever they expect of an answer. */
const httpRefusals: ReadonlySet<ErrorKind> = new Set(["unknown_path", "method_not_allowed"]);

function httpStatusOf({ kind }: GatewayError): number | undefined {
  return httpRefusals.has(kind) ? envelopes[kind].status : undefined;
}

/**
 * An answer to a call that failed before it reached its handler, in the protocol that the request speaks, under the status
 * that its error has there unless another is given. What else there is to tell of the error stands in the headers, once.
 */
export function connectErrorResponse(request: Request, error: ConnectError, status?: number): Response {
  const type = request.headers.get("content-type") ?? "";
  if (type.startsWith("application/grpc-web")) {
    return new Response(null, { status, headers: setTrailerStatus(new Headers({ "content-type": type }), error) });
  }
  const headers = new Headers(error.metadata);
  if (type.startsWith("application/connect+") && status === undefined) {
    headers.set("content-type", type);
    const { rawMessage, code } = error;
    const end = { error: new ConnectError(rawMessage, code), metadata: new Headers() };
    return new Response(encodeEnvelope(endStreamFlag, createEndStreamSerialization(undefined).serialize(end)), {
      headers,
    });
  }
  headers.set("content-type", "application/json");
  return new Response(errorToJsonBytes(error, undefined), { status: status ?? codeToHttpStatus(error.code), headers });
}
