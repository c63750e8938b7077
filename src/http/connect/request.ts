import { type DescMessage, fromJson, type MessageShape, type JsonValue as ReadJson } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createAsyncIterable, encodeEnvelope, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import { mediaType } from "../../body.ts";
import type { Config } from "../../config/config.ts";
import { GatewayError } from "../../errors.ts";
import type { JsonValue } from "../../generation.ts";
import { decodeMessage, UndecodableMessage } from "../../protobuf.ts";
import { invalidValue } from "../invalid.ts";
import { jsonIn } from "../json-body.ts";
import { readBody } from "../request-body.ts";
import { connectErrorOf, walkOf } from "./rpc.ts";

const emptyJson = new TextEncoder().encode("{}");
const emptyBinary = new Uint8Array();

/**
 * A request as Connect's handlers take it, with an empty message in the place of the caller's: they would decode that
 * without bounds and say in their own words, which quote it, what is wrong. `boundedMessages` reads it.
 */
export function universalRequest(request: Request): UniversalServerRequest {
  const { method, url, headers, signal } = request;
  const { isFramed, isJson } = formOf(request);
  const empty = isJson ? emptyJson : emptyBinary;
  const header = new Headers(headers);
  header.delete("content-length");
  const body = createAsyncIterable([isFramed ? encodeEnvelope(0, empty) : empty]);
  return { httpVersion: "", method, url, header, body, signal };
}

/** Gives each method the message that its caller has sent. */
export function boundedMessages(config: Pick<Config, "limits" | "deadlines">): Interceptor {
  return (next) => async (asked) => {
    const { c } = walkOf(asked.contextValues);
    // What Connect itself finds wrong with a stream, such as its compression, comes to light where its messages are read.
    if (asked.stream) for await (const _ of asked.message);
    let message: MessageShape<DescMessage>;
    try {
      message = messageIn(await readBody(c.req.raw, config), asked.method.input, formOf(c.req.raw));
    } catch (error) {
      throw connectErrorOf(error, c);
    }
    return await next(asked.stream ? { ...asked, message: createAsyncIterable([message]) } : { ...asked, message });
  };
}

/** How a message is written, by its content type: https://connectrpc.com/docs/protocol and gRPC-Web's. */
interface Form {
  readonly isFramed: boolean;
  readonly isJson: boolean;
}

function formOf({ headers }: Request): Form {
  const type = mediaType(headers);
  return { isFramed: /^application\/(connect|grpc-web)/.test(type), isJson: type.endsWith("json") };
}

/** The message that a body is. Throws a `GatewayError` that says in what way it is none. */
function messageIn<Desc extends DescMessage>(
  body: Uint8Array,
  type: Desc,
  { isFramed, isJson }: Form,
): MessageShape<Desc> {
  const bytes = isFramed ? onlyFrame(body) : body;
  if (isJson) return messageInJson(jsonIn(bytes), type);
  try {
    return decodeMessage(type, bytes);
  } catch (error) {
    const isOversized = error instanceof UndecodableMessage && error.reason === "oversized";
    const what = isOversized ? "has too many fields in it" : "is not the method's";
    throw new GatewayError("invalid_request", `The message ${what}.`, { code: "invalid_protobuf" });
  }
}

/**
 * What is in the only frame of a body, by whose flags it is not compressed. Throws a `GatewayError` where the frame is not
 * whole, and with the codes that Connect's conformance suite asks for a `ConnectError`.
 */
function onlyFrame(body: Uint8Array): Uint8Array {
  if (body.byteLength === 0) throw new ConnectError("The body has no message in it.", Code.Unimplemented);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const frameBytes = body.byteLength < 5 ? Number.POSITIVE_INFINITY : 5 + view.getUint32(1);
  if (frameBytes > body.byteLength) {
    throw new GatewayError("invalid_request", "The body ends within a frame.", { code: "invalid_frame" });
  }
  if (frameBytes < body.byteLength) throw new ConnectError("The body has two messages in it.", Code.Unimplemented);
  if (view.getUint8(0) !== 0) throw new ConnectError("The message is compressed, or has no such flags.", Code.Internal);
  return body.subarray(5);
}

function messageInJson<Desc extends DescMessage>(value: JsonValue, type: Desc): MessageShape<Desc> {
  try {
    // Its type is not readonly, but nothing is written to it.
    return fromJson(type, value as ReadJson, { ignoreUnknownFields: true });
  } catch (error) {
    const cause = error instanceof Error && error.cause;
    if (!isFieldError(cause)) throw invalidValue(undefined, "The body is not the method's message.");
    const { name } = cause.field();
    throw invalidValue(name, `The field '${name}' is not of its type.`);
  }
}
