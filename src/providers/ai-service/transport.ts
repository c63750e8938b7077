import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { appendHeaders, type Transport } from "@connectrpc/connect";
import type { CommonTransportOptions, UniversalClientFn } from "@connectrpc/connect/protocol";
import {
  contentTypeUnaryProto,
  createTransport as createConnectTransport,
  errorFromJsonBytes,
  headerProtocolVersion,
  headerTimeout,
  protocolVersion,
  trailerDemux,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { mediaType } from "../../body.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { readErrorText } from "../wire/failure.ts";
import { type Fetch, maxAnswerBytes, readAnswerBytes, send, streamedBytes } from "../wire/send.ts";

/**
 * A binary transport to a service that speaks Connect or gRPC-Web. Connect's universal transports check a frame's announced
 * length before they allocate for it, which connect-web's do not.
 */
export function connectTransport(protocol: "connect" | "grpc-web", baseUrl: string, fetch: Fetch): Transport {
  const options: CommonTransportOptions = {
    baseUrl,
    httpClient: fetchClient(fetch),
    useBinaryFormat: true,
    readMaxBytes: maxAnswerBytes,
    writeMaxBytes: maxAnswerBytes,
    interceptors: [],
    // Workers' `fetch` takes compression off whole bodies; none is asked for inside frames.
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
  };
  if (protocol === "grpc-web") return createGrpcWebTransport(options);
  return { unary: unaryOver(baseUrl, fetch), stream: createConnectTransport(options).stream };
}

/**
 * Unary calls of the Connect protocol (https://connectrpc.com/docs/protocol#unary-request), as connect-web makes them, for
 * less CPU time: without interceptors, and without a timer of its own, since the attempt that asks has one.
 */
function unaryOver(baseUrl: string, fetch: Fetch): Transport["unary"] {
  return async (method, signal, timeoutMs, header, input) => {
    const response = await send(fetch, `${baseUrl}/${method.parent.typeName}/${method.name}`, {
      method: "POST",
      headers: {
        ...recordOf(header),
        "content-type": contentTypeUnaryProto,
        [headerProtocolVersion]: protocolVersion,
        ...(timeoutMs !== undefined && { [headerTimeout]: String(timeoutMs) }),
      },
      body: toBinary(method.input, create(method.input, input)),
      signal,
    });
    requireType(response, contentTypeUnaryProto);
    const { isUnaryError, unaryError } = validateResponse(method.methodKind, true, response.status, response.headers);
    if (isUnaryError) {
      const body = new TextEncoder().encode(await readErrorText(response));
      throw errorFromJsonBytes(body, appendHeaders(...trailerDemux(response.headers)), unaryError);
    }
    return {
      stream: false,
      service: method.parent,
      method,
      message: messageIn(await readAnswerBytes(response), method.output),
      // Made for who asks for them.
      get header() {
        return trailerDemux(response.headers)[0];
      },
      get trailer() {
        return trailerDemux(response.headers)[1];
      },
    };
  };
}

function recordOf(header: HeadersInit = {}): Readonly<Record<string, string>> {
  return Symbol.iterator in header ? Object.fromEntries(new Headers(header)) : header;
}

function messageIn<Desc extends DescMessage>(bytes: Uint8Array, type: Desc): MessageShape<Desc> {
  try {
    return fromBinary(type, bytes);
  } catch (cause) {
    throw UpstreamFailure.wire("malformed", { cause });
  }
}

/** An answer of 200 must be of the type that was sent. Connect itself judges the other statuses, but knows no 501. */
function requireType(response: Response, asked: string | null): void {
  if (response.status === 501) throw UpstreamFailure.peer("unimplemented");
  const type = mediaType(response.headers);
  if (response.status === 200 && type !== asked && type !== "application/grpc-web") {
    throw UpstreamFailure.wire("malformed");
  }
}

function fetchClient(fetch: Fetch): UniversalClientFn {
  return async ({ url, method, header, body, signal }) => {
    const response = await send(fetch, url, { method, headers: header, body: await onlyMessage(body), signal });
    requireType(response, header.get("content-type"));
    return {
      status: response.status,
      header: response.headers,
      body: streamedBytes(response),
      trailer: new Headers(),
    };
  };
}

/** A request's body in one piece, so that it is sent with its length. Every RPC of the contract sends one message. */
async function onlyMessage(body: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  if (body) for await (const piece of body) pieces.push(new Uint8Array(piece));
  return pieces[0] && pieces.length === 1 ? pieces[0] : new Uint8Array(await new Blob(pieces).arrayBuffer());
}
