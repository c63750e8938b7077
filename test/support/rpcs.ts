import {
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  isMessage,
  type Message,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { Hono } from "hono";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { frame } from "../upstreams/ai-service-dialects.ts";
import { at } from "./json.ts";

/** How a message is written: the protocol, and in which encoding. */
export const ways = ["connect json", "connect proto", "grpc-web json", "grpc-web proto"] as const;
export type Way = (typeof ways)[number];

/** The protocols towards the service (setting PYTHON_AI_PROTOCOL). */
export const protocols = ["connect", "grpc-web"] as const;
export type Protocol = (typeof protocols)[number];

export const pathOf = ({ parent, name }: DescMethodUnary) => `/${parent.typeName}/${name}`;

/** A message as a caller sends it. */
export function requestIn(
  way: Way,
  method: DescMethodUnary,
  message: Message,
  headers: Record<string, string> = {},
): RequestInit & { readonly headers: Record<string, string> } {
  const [protocol, encoding] = way.split(" ");
  const bytes =
    encoding === "json" ? utf8(JSON.stringify(toJson(method.input, message))) : toBinary(method.input, message);
  return protocol === "connect"
    ? post(bytes, { "content-type": `application/${encoding}`, "connect-protocol-version": "1", ...headers })
    : post(frame(0, bytes), { "content-type": `application/grpc-web+${encoding}`, "x-grpc-web": "1", ...headers });
}

const post = (bytes: Uint8Array, headers: Record<string, string>) => ({
  method: "POST",
  body: new Uint8Array(bytes),
  headers,
});
const utf8 = (text: string) => new TextEncoder().encode(text);

/** What a caller was told: a message, or an error by Connect's name for its code. */
export interface Told {
  readonly bytes?: Uint8Array;
  readonly message?: Message;
  readonly code?: string;
  readonly text?: string;
}

/** Reads an answer in the form that `requestIn` asks for. */
export function toldIn(
  way: Way,
  method: DescMethodUnary,
  answer: { readonly status: number; readonly headers: Headers; readonly bytes: Uint8Array },
): Told {
  const [protocol, encoding] = way.split(" ");
  const parse = (bytes: Uint8Array): Told => ({
    bytes,
    message:
      encoding === "json"
        ? fromJson(method.output, JSON.parse(new TextDecoder().decode(bytes)))
        : fromBinary(method.output, bytes),
  });
  if (protocol === "connect") {
    if (answer.status === 200) return parse(answer.bytes);
    const error: unknown = JSON.parse(new TextDecoder().decode(answer.bytes));
    return { code: String(at(error, "code")), text: String(at(error, "message")) };
  }
  const frames = framesIn(answer.bytes);
  const trailers = new TextDecoder().decode(frames.find(({ flags }) => flags === 0x80)?.data);
  const status = /grpc-status: ?(\d+)/.exec(trailers)?.[1] ?? answer.headers.get("grpc-status");
  const message = frames.find(({ flags }) => flags === 0)?.data;
  if (status === "0" && message) return parse(message);
  const told = /grpc-message: ?(.*)\r\n/.exec(trailers)?.[1] ?? answer.headers.get("grpc-message") ?? "";
  return { code: grpcCodes[Number(status)], text: decodeURIComponent(told) };
}

const grpcCodes: Readonly<Record<number, string>> = {
  1: "canceled",
  3: "invalid_argument",
  4: "deadline_exceeded",
  5: "not_found",
  6: "already_exists",
  8: "resource_exhausted",
  9: "failed_precondition",
  12: "unimplemented",
  13: "internal",
  14: "unavailable",
};

function framesIn(bytes: Uint8Array) {
  const frames: { readonly flags: number; readonly data: Uint8Array }[] = [];
  for (let start = 0; start < bytes.byteLength; ) {
    const end = start + 5 + new DataView(bytes.buffer, bytes.byteOffset + start + 1).getUint32(0);
    frames.push({ flags: bytes[start] ?? 0, data: bytes.subarray(start + 5, end) });
    start = end;
  }
  return frames;
}

/** What an AI service was asked. */
interface Asked {
  /** The host's first label: the provider's name. */
  readonly service: string;
  readonly rpc: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The message, without its frame. */
  readonly bytes: Uint8Array;
  readonly message: Message;
  /** Aborted when who asked has left. */
  readonly signal: AbortSignal;
}

/** What an AI service does: a message is its answer, in the protocol in which it was asked. */
export type Service = (asked: Asked) => Message | Response | Promise<Message | Response>;

/** AI services at `https://<name>.test`, by name, that keep what they were asked. */
export function aiServices(services: Readonly<Record<string, Service>>) {
  const asked: Asked[] = [];
  const network = new Hono().post("/qingyu.ai.AIService/:rpc", async (c) => {
    const [service = ""] = new URL(c.req.url).host.split(".");
    const method = AIService.methods.find(({ name }) => name === c.req.param("rpc"));
    if (!method) throw new Error(`no method ${c.req.path}`);
    const body = new Uint8Array(await c.req.arrayBuffer());
    const isFramed = c.req.header("content-type") !== "application/proto";
    const bytes = isFramed ? body.subarray(5) : body;
    const message = fromBinary(method.input, bytes);
    const one: Asked = { service, rpc: method.name, headers: c.req.header(), bytes, message, signal: c.req.raw.signal };
    asked.push(one);
    const answer = await services[service]?.(one);
    if (answer instanceof Response) return answer;
    if (!isMessage(answer, method.output)) throw new Error(`an answer of ${method.name} is none`);
    return answerWith(isFramed ? "grpc-web" : "connect", method.output, answer);
  });
  return { network, asked };
}

/** A message as an AI service answers it. */
function answerWith<Desc extends DescMessage>(protocol: Protocol, type: Desc, message: MessageShape<Desc>): Response {
  return answerOf(protocol, toBinary(type, message));
}

/** Bytes in a message's place. */
export function answerOf(protocol: Protocol, bytes: Uint8Array): Response {
  if (protocol === "connect") return respond("application/proto", [bytes]);
  return respond("application/grpc-web+proto", [frame(0, bytes), frame(0x80, utf8("grpc-status: 0\r\n"))]);
}

function respond(type: string, parts: readonly Uint8Array[]): Response {
  return new Response(new Blob(parts.map((part) => new Uint8Array(part))), { headers: { "content-type": type } });
}

/** An error in a protocol's own words, by Connect's number of its code. */
export function errorOf(protocol: Protocol, code: number, message: string, headers: Record<string, string> = {}) {
  const [name, status] = errors[code] ?? ["unknown", 500];
  if (protocol === "connect") {
    const body = JSON.stringify({ code: name, message });
    return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
  }
  const trailers = { "grpc-status": String(code), "grpc-message": encodeURIComponent(message), ...headers };
  return new Response("", { headers: { "content-type": "application/grpc-web+proto", ...trailers } });
}

const errors: Readonly<Record<number, readonly [string, number]>> = {
  1: ["canceled", 499],
  2: ["unknown", 500],
  3: ["invalid_argument", 400],
  4: ["deadline_exceeded", 504],
  5: ["not_found", 404],
  8: ["resource_exhausted", 429],
  10: ["aborted", 409],
  12: ["unimplemented", 501],
  13: ["internal", 500],
  14: ["unavailable", 503],
  16: ["unauthenticated", 401],
};

/** The setting `ai.providers` for AI services of these names. */
export const aiProviders = (protocol: Protocol, ...names: readonly string[]) =>
  names.map((name) => ({
    name,
    type: "ai-service",
    protocol,
    baseUrl: `https://${name}.test`,
    apiKey: `token-${name}`,
  }));
