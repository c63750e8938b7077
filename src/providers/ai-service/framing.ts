import * as connect from "@connectrpc/connect/protocol-connect";
import * as grpcWeb from "@connectrpc/connect/protocol-grpc-web";

/** How a protocol that answers in frames asks, and what it says beside the messages. */
export interface Framing {
  readonly contentType: string;
  requestHeaders(timeoutMs: number | undefined): Readonly<Record<string, string>>;
  /** Judges an answer's status and headers. Whether they are its end already. Throws the `ConnectError` that they tell of. */
  readHeaders(response: Response): boolean;
  /** The flag of the frame that ends an answer. */
  readonly endFlag: number;
  /** Reads that frame. Throws the `ConnectError` that it tells of. */
  readEnd(data: Uint8Array, headers: Headers): void;
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
    connect.validateResponseWithCompression("server_streaming", [], true, status, headers);
    return false;
  },
  endFlag: connect.endStreamFlag,
  readEnd(data, headers) {
    const { error } = connectEnd.parse(data);
    if (!error) return;
    headers.forEach((value, name) => void error.metadata.append(name, value));
    throw error;
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
    const { foundStatus, headerError } = grpcWeb.validateResponseWithCompression([], status, headers);
    if (headerError) throw headerError;
    return foundStatus;
  },
  endFlag: grpcWeb.trailerFlag,
  readEnd: (data, headers) => grpcWeb.validateTrailer(grpcWeb.trailerParse(data), headers),
};
