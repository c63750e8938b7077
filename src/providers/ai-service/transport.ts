import type { Transport } from "@connectrpc/connect";
import type { CommonTransportOptions, UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { createConnectTransport as createWebTransport } from "@connectrpc/connect-web";
import { mediaType } from "../../body.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { bounded, type Fetch, maxAnswerBytes, send, streamedBytes } from "../wire/send.ts";

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
  // A unary Connect answer has no frames, so once its size is bounded connect-web reads it, for a fifth less CPU time.
  const { unary } = createWebTransport({ baseUrl, useBinaryFormat: true, fetch: boundedFetch(fetch) });
  const { stream } = createConnectTransport(options);
  return { unary, stream };
}

/** A `fetch` for whole messages, none of them larger than `maxAnswerBytes`. */
function boundedFetch(fetch: Fetch): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const response = await send(fetch, String(input), init);
    requireType(response, new Headers(init.headers).get("content-type"));
    return await bounded(response);
  };
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
