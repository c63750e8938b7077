import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createEndStreamSerialization, endStreamFlag, trailerDemux } from "@connectrpc/connect/protocol-connect";
import { trailerFlag, trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import {
  ErrorSchema,
  type Error as ErrorTold,
} from "../../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { type FailureCause, UpstreamFailure } from "../../../src/upstream-failure.ts";

type Word = FailureCause["reason"];

/** As the protocols have a code for them; what is not here comes with an error of the protocol's own. */
const codes: Partial<Readonly<Record<Word, Code>>> = {
  unavailable: Code.Unavailable,
  timeout: Code.DeadlineExceeded,
  oversized: Code.ResourceExhausted,
  unimplemented: Code.Unimplemented,
  malformed: Code.Internal,
  truncated: Code.Internal,
};

/** What the transport threw, as an error of the protocol. */
export function errorOf(thrown: unknown, signal: AbortSignal): ErrorTold {
  const { code, rawMessage, details } = connectErrorOf(thrown, signal);
  const told = details.map((detail) =>
    "type" in detail ? { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value } : {},
  );
  return create(ErrorSchema, { code: Number(code), message: rawMessage, details: told });
}

function connectErrorOf(thrown: unknown, { aborted, reason }: AbortSignal): ConnectError {
  if (aborted) {
    const isLate = reason instanceof DOMException && reason.name === "TimeoutError";
    return new ConnectError("aborted", isLate ? Code.DeadlineExceeded : Code.Canceled);
  }
  if (thrown instanceof UpstreamFailure && !(thrown.cause instanceof ConnectError)) {
    return new ConnectError(thrown.message, codes[thrown.failure.reason]);
  }
  return ConnectError.from(thrown instanceof UpstreamFailure ? thrown.cause : thrown);
}

/**
 * An answer's headers and trailers. Unary Connect has both in the headers, gRPC-Web too where it fails at once; else the
 * last frame has the trailers.
 */
export async function metadataOf(answer: Response) {
  const [headers, trailers] = trailerDemux(answer.headers);
  const ends = answer.headers.has("grpc-status") ? answer.headers : lastFrameOf(await answer.bytes());
  for (const [name, value] of ends) trailers.append(name, value);
  return { responseHeaders: told(headers), responseTrailers: told(trailers) };
}

function lastFrameOf(bytes: Uint8Array): Headers {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 5 <= bytes.byteLength; at += 5 + view.getUint32(at + 1)) {
    const data = bytes.subarray(at + 5, at + 5 + view.getUint32(at + 1));
    if (bytes[at] === trailerFlag) return trailerParse(data);
    if (bytes[at] === endStreamFlag) return createEndStreamSerialization(undefined).parse(data).metadata;
  }
  return new Headers();
}

function told(headers: Headers) {
  return [...headers].map(([name, value]) => ({ name, value: [value] }));
}
