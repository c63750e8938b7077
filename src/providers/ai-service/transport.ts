import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  errorFromJsonBytes,
  trailerDemux,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";
import { mediaType } from "../../body.ts";
import type { Share } from "../../in-flight.ts";
import { parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { EventReader } from "../wire/events.ts";
import { readErrorText } from "../wire/failure.ts";
import { type Fetch, noCoding, readAnswerBytes, type SentInit, send } from "../wire/send.ts";
import { withHeaders } from "./failure.ts";
import { connectStreams, type Framing, grpcWebFrames } from "./framing.ts";
import { messageIn, messageReader, onlyMessage } from "./messages.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** What is held in memory for the request that it is for, where it is for one. */
  readonly memory?: Share;
  /** What the service is told of the time that it has. Who asks keeps to it by the signal. */
  readonly timeoutMs?: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Calls a service's methods in binary. Throws `UpstreamFailure`, or the `ConnectError` that an answer's status, headers or
 * error tell of.
 */
export interface Transport {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>>;
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    input: MessageInitShape<I>,
    options: CallOptions,
  ): Promise<EventReader<MessageShape<O>>>;
}

/**
 * A transport over `fetch`, of the parts that Connect's package makes its own transports of: those wait a dozen times for
 * each message of a stream, have their own timers, and give messages one by one.
 */
export function createTransport(protocol: "connect" | "grpc-web", baseUrl: string, fetch: Fetch): Transport {
  async function post(method: DescMethod, contentType: string, init: Omit<SentInit, "method">): Promise<Response> {
    const response = await send(fetch, `${baseUrl}/${method.parent.typeName}/${method.name}`, {
      ...init,
      method: "POST",
      headers: { ...init.headers, "content-type": contentType },
    });
    requireType(response, contentType);
    return response;
  }

  async function framed<I extends DescMessage, O extends DescMessage>(
    framing: Framing,
    method: DescMethod & { readonly input: I; readonly output: O },
    input: MessageInitShape<I>,
    { signal, memory, timeoutMs, headers }: CallOptions,
  ): Promise<EventReader<MessageShape<O>>> {
    const response = await post(method, framing.contentType, {
      headers: { ...headers, ...noCoding, ...framing.requestHeaders(timeoutMs) },
      body: encodeEnvelope(0, toBinary(method.input, create(method.input, input))),
      signal,
    });
    return messageReader(response, method, { framing, memory });
  }

  if (protocol === "grpc-web") {
    return {
      unary: async (...asked) => await onlyMessage(await framed(grpcWebFrames, ...asked)),
      stream: (...asked) => framed(grpcWebFrames, ...asked),
    };
  }
  return {
    /** https://connectrpc.com/docs/protocol#unary-request */
    async unary(method, input, { signal, memory, timeoutMs, headers }) {
      const response = await post(method, contentTypeUnaryProto, {
        headers: { ...headers, ...connectStreams.requestHeaders(timeoutMs) },
        body: toBinary(method.input, create(method.input, input)),
        signal,
      });
      const { isUnaryError, unaryError } = validateResponse(method.methodKind, true, response.status, response.headers);
      if (isUnaryError) throw errorIn(await readErrorText(response), response, unaryError);
      return await readAnswerBytes(response, { memory }, (bytes) => messageIn(bytes, method.output));
    },
    stream: (...asked) => framed(connectStreams, ...asked),
  };
}

/** The error of a unary call: what its body says, and where that says nothing its status. */
function errorIn(body: string, { status, headers }: Response, byStatus: ConnectError): ConnectError {
  const otherwise = status === 501 ? new ConnectError("HTTP 501", Code.Unimplemented) : byStatus;
  const [ownHeaders, trailers] = trailerDemux(headers);
  const told = () => {
    try {
      // Throws for what is nested too deeply.
      parseJson(body);
      return errorFromJsonBytes(new TextEncoder().encode(body), trailers, otherwise);
    } catch {
      // Connect throws the other one.
      return otherwise;
    }
  };
  return withHeaders(told(), ownHeaders);
}

/**
 * An answer of 200 must be of the type that was sent. Connect itself judges the other statuses, but knows neither 501, of
 * which a unary call's body may say more, nor 508.
 */
function requireType({ status, headers }: Response, asked: string): void {
  const type = mediaType(headers);
  const isUnaryError = asked === contentTypeUnaryProto && type === contentTypeUnaryJson;
  if (status === 501 && !isUnaryError) throw UpstreamFailure.peer("unimplemented");
  if (status === 508) throw UpstreamFailure.peer("loop_detected");
  if (status === 200 && type !== asked && type !== "application/grpc-web") throw UpstreamFailure.wire("malformed");
}
