import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import {
  compressedFlag,
  createAsyncIterable,
  encodeEnvelope,
  type UniversalServerRequest,
} from "@connectrpc/connect/protocol";
import { mediaType } from "../../body.ts";
import type { Config } from "../../config/config.ts";
import { GatewayError } from "../../errors.ts";
import { decodeMessage, UndecodableMessage } from "../../protobuf.ts";
import { isGzip, unzipped } from "../content-coding.ts";
import { jsonIn } from "../json-body.ts";
import { messageInJson } from "../message-json.ts";
import { bodyFault, frameHeadBytes, isFramed, readBody, takeBodyRoom } from "../request-body.ts";
import { connectErrorOf, walkOf } from "./rpc.ts";

const emptyJson = new TextEncoder().encode("{}");
const emptyBinary = new Uint8Array();

/** What no longer holds for an empty message, and what Connect would compress answers by, which is left to the edge. */
const headersOfBody = [
  "content-length",
  "content-encoding",
  "connect-content-encoding",
  "grpc-encoding",
  "accept-encoding",
  "connect-accept-encoding",
  "grpc-accept-encoding",
];

/**
 * A request as Connect's handlers take it, with an empty message in the place of the caller's: they would decode that
 * without bounds and say in their own words, which quote it, what is wrong. `boundedMessages` reads it.
 */
export function universalRequest(request: Request): UniversalServerRequest {
  const { method, url, headers, signal } = request;
  const { isFramed, isJson } = formOf(headers);
  const empty = isJson ? emptyJson : emptyBinary;
  const header = new Headers(headers);
  for (const name of headersOfBody) header.delete(name);
  const body = createAsyncIterable([isFramed ? encodeEnvelope(0, empty) : empty]);
  return { httpVersion: "", method, url, header, body, signal };
}

/** Gives each method the message that its caller has sent. */
export function boundedMessages(config: Pick<Config, "limits" | "deadlines">): Interceptor {
  return (next) => async (asked) => {
    const { c } = walkOf(asked.contextValues);
    // What Connect itself finds wrong with a stream, such as its timeout, comes to light where its messages are read.
    if (asked.stream) for await (const _ of asked.message);
    let message: MessageShape<DescMessage>;
    try {
      const form = formOf(c.req.raw.headers);
      if (form.isZipped === undefined) {
        throw new ConnectError("The compression is not known here: use gzip, or none.", Code.Unimplemented);
      }
      const memory = c.get("memory");
      const body = await readBody(c.req.raw, config, memory);
      const bytes = form.isFramed ? onlyFrame(body, form.isZipped, config.limits.bodyBytes) : body;
      takeBodyRoom(memory, Math.max(0, bytes.byteLength - body.byteLength));
      message = messageIn(bytes, asked.method.input, form);
    } catch (error) {
      // The suite's code for a frame that is wrong; nothing of ours has failed.
      if (error instanceof ConnectError && error.code === Code.Internal) c.get("record").status = 400;
      throw connectErrorOf(error, c);
    }
    return await next(asked.stream ? { ...asked, message: createAsyncIterable([message]) } : { ...asked, message });
  };
}

/** How a message is written, by its headers. */
interface Form {
  readonly isFramed: boolean;
  readonly isJson: boolean;
  /** Whether it may be gzip; undefined where it may be something else. */
  readonly isZipped: boolean | undefined;
}

function formOf(headers: Headers): Form {
  const type = mediaType(headers);
  const encoding = type.startsWith("application/connect+")
    ? "connect-content-encoding"
    : type.startsWith("application/grpc-web")
      ? "grpc-encoding"
      : "content-encoding";
  return { isFramed: isFramed(headers), isJson: type.endsWith("json"), isZipped: isGzip(headers.get(encoding)) };
}

/** The message that these bytes are. Throws a `GatewayError` that says in what way they are none. */
function messageIn<Desc extends DescMessage>(bytes: Uint8Array, type: Desc, { isJson }: Form): MessageShape<Desc> {
  if (isJson) return messageInJson(jsonIn(bytes), type);
  try {
    return decodeMessage(type, bytes);
  } catch (error) {
    const isOversized = error instanceof UndecodableMessage && error.reason === "oversized";
    const what = isOversized ? "has too many fields in it" : "is not the method's";
    throw new GatewayError("invalid_request", `The message ${what}.` as const, { code: "invalid_protobuf" });
  }
}

/**
 * What is in the only frame of a body, of so many bytes at most, unzipped where its flags say that it is zipped. Throws a
 * `GatewayError` where the frame is not whole, too large or no gzip, and with the codes that Connect's conformance suite
 * asks for a `ConnectError`.
 */
function onlyFrame(body: Uint8Array, mayBeZipped: boolean, maxBytes: number): Uint8Array {
  if (body.byteLength === 0) throw new ConnectError("The body has no message in it.", Code.Unimplemented);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const isWhole = body.byteLength >= frameHeadBytes;
  const frameBytes = isWhole ? frameHeadBytes + view.getUint32(1) : Number.POSITIVE_INFINITY;
  if (frameBytes > body.byteLength) {
    throw new GatewayError("invalid_request", "The body ends within a frame.", { code: "invalid_frame" });
  }
  if (frameBytes < body.byteLength) throw new ConnectError("The body has two messages in it.", Code.Unimplemented);
  const bytes = body.subarray(frameHeadBytes);
  const flags = view.getUint8(0);
  if (flags === compressedFlag && mayBeZipped) return unzipped(bytes, maxBytes, bodyFault(maxBytes));
  if (flags !== 0) throw new ConnectError("The message is compressed in no way that it names.", Code.Internal);
  if (bytes.byteLength > maxBytes) throw bodyFault(maxBytes)("oversized");
  return bytes;
}
