import type { ConnectError } from "@connectrpc/connect";
import * as connect from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import * as grpcWeb from "@connectrpc/connect/protocol-grpc-web";
import { parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";

/** How an answer ended, where it says so. */
export interface End {
  readonly error?: ConnectError;
}

/** How a protocol that answers in frames asks, and what it says beside the messages. */
export interface Framing {
  readonly contentType: string;
  requestHeaders(timeoutMs: number | undefined): Readonly<Record<string, string>>;
  /**
   * Judges an answer's status and headers. Throws the `ConnectError` that they tell of, or `UpstreamFailure` wire
   * `malformed` for a compression, which nobody asked for.
   */
  readHeaders(response: Response): void;
  /** The end of an answer without messages and frames, which then stands in its headers; undefined where they say nothing. */
  endInHeaders(headers: Headers): End | undefined;
  /** The flag of the frame that ends an answer. */
  readonly endFlag: number;
  /** Reads that frame; undefined where it says nothing of how the answer ended. */
  readEnd(data: Uint8Array): End | undefined;
}

const connectEnd = connect.createEndStreamSerialization(undefined);

/** https://connectrpc.com/docs/protocol#streaming-rpcs */
export const connectStreams: Framing = {
  contentType: connect.contentTypeStreamProto,
  requestHeaders: (timeoutMs) => ({
    [connect.headerProtocolVersion]: connect.protocolVersion,
    ...(timeoutMs !== undefined && { [connect.headerTimeout]: String(timeoutMs) }),
  }),
  readHeaders({ status, headers }) {
    connect.validateResponse("server_streaming", true, status, headers);
    requireUncompressed(headers.get(connect.headerStreamEncoding));
  },
  endInHeaders: () => undefined,
  endFlag: connect.endStreamFlag,
  readEnd(data) {
    // Throws for what is nested too deeply.
    parseJson(new TextDecoder().decode(data));
    return connectEnd.parse(data);
  },
};

/** https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md */
export const grpcWebFrames: Framing = {
  contentType: grpcWeb.contentTypeProto,
  requestHeaders: (timeoutMs) => ({
    [grpcWeb.headerXGrpcWeb]: "1",
    ...(timeoutMs !== undefined && { [grpcWeb.headerTimeout]: `${timeoutMs}m` }),
  }),
  readHeaders({ status, headers }) {
    if (status < 200 || status > 299) grpcWeb.validateResponse(status, readable(headers));
    requireUncompressed(headers.get(grpcWeb.headerEncoding));
  },
  endInHeaders: grpcEnd,
  endFlag: grpcWeb.trailerFlag,
  readEnd: (data) => grpcEnd(grpcWeb.trailerParse(data)),
};

function grpcEnd(fields: Headers): End | undefined {
  return fields.has(grpcWeb.headerGrpcStatus) ? { error: findTrailerError(readable(fields)) } : undefined;
}

/**
 * The same fields with a message and details that can be decoded: gRPC wants a status to be kept, and the message as it
 * came, where its percent signs are broken (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses).
 */
function readable(fields: Headers): Headers {
  const message = fields.get(grpcWeb.headerGrpcMessage) ?? "";
  try {
    decodeURIComponent(message);
    findTrailerError(fields);
    return fields;
  } catch {
    const bare = new Headers(fields);
    bare.set(grpcWeb.headerGrpcMessage, encodeURIComponent(message));
    bare.delete(grpcWeb.headerStatusDetailsBin);
    return bare;
  }
}

function requireUncompressed(encoding: string | null): void {
  if (encoding !== null && encoding.toLowerCase() !== "identity") throw UpstreamFailure.wire("malformed");
}
