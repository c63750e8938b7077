import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "../../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/client_compat_pb.js";
import { Protocol } from "../../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/config_pb.js";
import {
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  type Error as ErrorTold,
} from "../../../node_modules/.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { type CallOptions, createTransport, type Transport } from "../../../src/providers/ai-service/transport.ts";
import { errorOf, metadataOf } from "./told.ts";

/** Makes a call that the runner asks for and tells what came of it, both as bytes of the suite's messages. */
export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response("ready");
    const asked = fromBinary(ClientCompatRequestSchema, await request.bytes());
    const { testName } = asked;
    const result = await callAsTold(asked).then(
      (value) => ({ case: "response" as const, value }),
      (error) => ({ case: "error" as const, value: { message: String(error) } }),
    );
    const told = create(ClientCompatResponseSchema, { testName, result });
    return new Response(toBinary(ClientCompatResponseSchema, told));
  },
} satisfies ExportedHandler;

/** Throws where the call cannot be made; what fails of one that is made belongs to the result. */
async function callAsTold(asked: ClientCompatRequest): Promise<ClientResponseResult> {
  const leaving = new AbortController();
  const { timeoutMs, cancel } = asked;
  const signals = [leaving.signal, ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)])];
  if (cancel?.cancelTiming.case === "afterCloseSendMs") setTimeout(() => leaving.abort(), cancel.cancelTiming.value);
  const maxPayloads = cancel?.cancelTiming.case === "afterNumResponses" ? cancel.cancelTiming.value : undefined;

  /** Of what was answered, which the transport gives to nobody where all is well: headers, and a body with trailers. */
  let answer: Response | undefined;
  const transport = createTransport(
    asked.protocol === Protocol.GRPC_WEB ? "grpc-web" : "connect",
    `http://${asked.host}:${asked.port}`,
    async (url, init) => {
      const response = await fetch(url, init);
      answer = response.clone();
      return response;
    },
  );
  const signal = AbortSignal.any(signals);
  const headers = Object.fromEntries(asked.requestHeaders.map(({ name, value }) => [name, value.join(", ")]));
  const payloads: ConformancePayload[] = [];
  let error: ErrorTold | undefined;
  try {
    for await (const payload of payloadsOf(transport, asked, { signal, timeoutMs, headers })) {
      payloads.push(payload ?? create(ConformancePayloadSchema));
      if (payloads.length === maxPayloads) leaving.abort();
    }
  } catch (thrown) {
    error = errorOf(thrown, signal);
  }
  const metadata = answer && !signal.aborted ? await metadataOf(answer) : {};
  return create(ClientResponseResultSchema, { payloads, error, ...metadata });
}

async function* payloadsOf(
  transport: Transport,
  asked: ClientCompatRequest,
  options: CallOptions,
): AsyncGenerator<ConformancePayload | undefined> {
  const { unary, idempotentUnary, unimplemented, serverStream } = ConformanceService.method;
  switch (asked.method) {
    case unary.name:
      yield (await transport.unary(unary, messageIn(asked, unary.input), options)).payload;
      break;
    case idempotentUnary.name:
      yield (await transport.unary(idempotentUnary, messageIn(asked, idempotentUnary.input), options)).payload;
      break;
    case unimplemented.name:
      await transport.unary(unimplemented, messageIn(asked, unimplemented.input), options);
      break;
    case serverStream.name: {
      const messages = await transport.stream(serverStream, messageIn(asked, serverStream.input), options);
      for (let batch = await messages.read(); batch; batch = await messages.read()) {
        for (const { payload } of batch) yield payload;
      }
      break;
    }
    default:
      throw new Error(`no such method: ${asked.method}`);
  }
}

function messageIn<Desc extends DescMessage>({ requestMessages }: ClientCompatRequest, type: Desc): MessageShape<Desc> {
  const [only] = requestMessages;
  const message = only && anyUnpack(only, type);
  if (!message) throw new Error(`there is no ${type.name}`);
  return message;
}
