import { create, toBinary } from "@bufbuild/protobuf";
import {
  GenerateContentChunkSchema,
  GenerateContentResponseSchema,
  HealthCheckResponseSchema,
} from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { rpcCases } from "../support/rpc-cases.ts";
import { type Dialect, json, type Quirks, type Spoken, utf8, type WireError } from "./dialect.ts";
import { goodModel, marker } from "./texts.ts";

function generation(content: string, { vague, finishReason, tokensUsed, knowledge }: Quirks = {}): Uint8Array {
  const told = { model: goodModel, tokensUsed: 18, finishReason: "stop" };
  return toBinary(
    GenerateContentResponseSchema,
    create(GenerateContentResponseSchema, {
      content,
      ...(!vague && told),
      ...(finishReason !== undefined && { finishReason }),
      ...(tokensUsed !== undefined && { tokensUsed }),
      ...(knowledge !== undefined && { knowledge }),
    }),
  );
}

function chunk(fields: { delta?: string; model?: string; finishReason?: string; knowledge?: string }): Uint8Array {
  return toBinary(GenerateContentChunkSchema, create(GenerateContentChunkSchema, fields));
}

function response(method: string, pieces: readonly string[], quirks?: Quirks): Uint8Array {
  if (method === "HealthCheck") {
    return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status: "healthy" }));
  }
  const rpc = rpcCases.find(({ name }) => name === method);
  if (!rpc) return generation(pieces.join(""), quirks);
  const { output } = rpc.method;
  return toBinary(output, pieces.join("") === "" ? (rpc.empty ?? create(output)) : rpc.answer);
}

const connectCodes = [
  ["canceled", 499],
  ["unknown", 500],
  ["invalid_argument", 400],
  ["deadline_exceeded", 504],
  ["not_found", 404],
  ["already_exists", 409],
  ["permission_denied", 403],
  ["resource_exhausted", 429],
  ["failed_precondition", 400],
  ["aborted", 409],
  ["out_of_range", 400],
  ["unimplemented", 501],
  ["internal", 500],
  ["unavailable", 503],
  ["data_loss", 500],
  ["unauthenticated", 401],
] as const;

const connectError = (code: string) => ({
  code,
  message: `${marker} at 10.0.0.1:5432`,
  details: [{ type: "google.rpc.DebugInfo", value: Buffer.from(marker).toString("base64"), debug: { marker } }],
});

/** A Connect error as an HTTP answer, which a unary call always gets and a stream only from proxies. */
const connectHttpError = (code: string): WireError => ({
  status: connectCodes.find(([name]) => name === code)?.[1] ?? 500,
  type: "application/json",
  body: json(connectError(code)),
});

/** A message behind its flags and length, as Connect streams and gRPC-Web have it. */
export function frame(flags: number, bytes: Uint8Array, length = bytes.byteLength): Uint8Array {
  const framed = new Uint8Array(5 + bytes.byteLength);
  framed[0] = flags;
  new DataView(framed.buffer).setUint32(1, length);
  framed.set(bytes, 5);
  return framed;
}

export const connect = (method: string): Dialect => ({
  contentType: "application/proto",
  isWhole: true,
  isStream: false,
  isFramed: false,
  say: (pieces, quirks) => ({ opening: [], tokens: [response(method, pieces, quirks)], ending: [] }),
  fail: connectHttpError,
  failInside: () => badProtobuf,
  garbage: badProtobuf,
});

/** A field that announces more bytes than there are. */
const badProtobuf = Uint8Array.of(0x0a, 0x7f, ...utf8(marker));

/** The messages of a stream; behind them comes what the protocol ends a stream with. */
function chunks(pieces: readonly string[], { vague, terse, finishReason = "stop", knowledge }: Quirks = {}): Spoken {
  const ending = vague ? [] : [frame(0, chunk({ finishReason, knowledge }))];
  return {
    opening: vague || terse ? [] : [frame(0, chunk({ model: goodModel }))],
    tokens: pieces.map((delta) => frame(0, chunk({ delta }))),
    ending,
  };
}

export const connectStream: Dialect = {
  contentType: "application/connect+proto",
  isWhole: false,
  isStream: true,
  isFramed: true,
  say(pieces, quirks) {
    const spoken = chunks(pieces, quirks);
    const end = json(quirks?.terse ? {} : { metadata: { "x-marker": [marker] } });
    return { ...spoken, ending: [...spoken.ending, frame(2, end)] };
  },
  fail: (word) => ({ status: 200, type: connectStream.contentType, body: connectStream.failInside(word) }),
  failInside: (word) => frame(2, json({ error: connectError(word), metadata: { "x-marker": [marker] } })),
  garbage: frame(0, badProtobuf),
};

const grpcTrailers = (code: string): Record<string, string> => ({
  "grpc-status": String(code === "ok" ? 0 : connectCodes.findIndex(([name]) => name === code) + 1),
  "grpc-message": code === "ok" ? "" : `${marker} at 10.0.0.1`,
  "x-marker": marker,
});

const trailersFrame = (code: string) =>
  frame(
    0x80,
    utf8(
      Object.entries(grpcTrailers(code))
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join(""),
    ),
  );

export function grpcWeb(method: string): Dialect {
  const isStream = method === "StreamGenerateContent";
  return {
    contentType: "application/grpc-web+proto",
    isWhole: false,
    isStream,
    isFramed: true,
    say(pieces, quirks) {
      const spoken = isStream
        ? chunks(pieces, quirks)
        : { opening: [], tokens: [frame(0, response(method, pieces, quirks))], ending: [] };
      const end = quirks?.terse ? frame(0x80, utf8("grpc-status:0\r\n")) : trailersFrame("ok");
      return { ...spoken, ending: [...spoken.ending, end] };
    },
    fail: (word) => ({ status: 200, type: "application/grpc-web+proto", body: trailersFrame(word) }),
    failInside: trailersFrame,
    garbage: frame(0, badProtobuf),
  };
}

/** An error before anything else: in the headers of gRPC-Web, in the HTTP status of Connect. */
export function failInHeaders(dialect: Dialect, code: string): WireError {
  if (!dialect.contentType.startsWith("application/grpc-web")) return connectHttpError(code);
  return { status: 200, type: dialect.contentType, headers: grpcTrailers(code), body: new Uint8Array() };
}
