import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc-web";
import { AIService } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { Surface } from "../surface.ts";
import { toConnectError } from "./error.ts";

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
