import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { compressedFlag } from "@connectrpc/connect/protocol";
import { bodyReader } from "../../body.ts";
import type { Share } from "../../in-flight.ts";
import { decodeMessage, UndecodableMessage } from "../../protobuf.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { EventReader } from "../wire/events.ts";
import { bytesPerBodyByte, maxAnswerBytes, maxStreamBytes, requireNoCoding, wireFault } from "../wire/send.ts";
import { connectFailure, withHeaders } from "./failure.ts";
import { frameSplitter } from "./frames.ts";
import type { End, Framing } from "./framing.ts";

/** Trailers, or an error with its details. */
const maxEndBytes = 64 * 1024;

interface MessageOptions {
  readonly framing: Framing;
  /** Must have room for a message that does not come at once. */
  readonly memory?: Share;
}

/**
 * The messages of a method's answer in frames, a read of the body at a time; undefined at the protocol's own end and the body's.
 * Throws `UpstreamFailure`: what the service says, or wire `truncated`, `malformed` (also for what follows the end, and for
 * compression, which nobody asked for), or `oversized`.
 */
export function messageReader<Desc extends DescMessage>(
  response: Response,
  method: DescMethod & { readonly output: Desc },
  { framing: { readHeaders, endInHeaders, readEnd, endFlag }, memory }: MessageOptions,
): EventReader<MessageShape<Desc>> {
  const { headers } = response;
  readHeaders(response);
  requireNoCoding(response);
  const frames = frameSplitter({
    maxBytesOf: (flags) => ((flags & endFlag) === 0 ? maxAnswerBytes : maxEndBytes),
    takeRoom: (bytes) => memory?.take(bytesPerBodyByte * bytes),
  });
  let hasMessages = false;
  let hasEnd = false;

  /** Takes the answer's end: what its last frame says, or the headers where there is no message and no word in a frame. */
  function end(inFrame: End | undefined): void {
    const end = inFrame ?? (hasMessages ? undefined : endInHeaders(headers));
    if (!end) throw UpstreamFailure.wire(hasEnd ? "malformed" : "truncated");
    if (end.error) throw connectFailure(withHeaders(end.error, headers), method);
  }

  function* messagesIn(bytes: Uint8Array): Generator<MessageShape<Desc>> {
    for (const { flags, data } of frames.split(bytes)) {
      if (hasEnd || (flags & compressedFlag) !== 0) throw UpstreamFailure.wire("malformed");
      if ((flags & endFlag) === 0) {
        hasMessages = true;
        yield messageIn(data, method.output);
      } else {
        hasEnd = true;
        end(endIn(data));
      }
    }
  }

  return bodyReader(response.body, {
    maxBytes: maxStreamBytes,
    fault: wireFault,
    turn: memory?.turn,
    convert(bytes) {
      if (bytes) return messagesIn(bytes);
      if (frames.isInside()) throw UpstreamFailure.wire("truncated");
      if (!hasEnd) end(undefined);
      return undefined;
    },
  });

  function endIn(data: Uint8Array): End | undefined {
    try {
      return readEnd(data);
    } catch (cause) {
      throw UpstreamFailure.wire("malformed", { cause });
    }
  }
}

/** The only message of an answer in frames. Throws as `messageReader` does. */
export async function onlyMessage<Message>(messages: EventReader<Message>): Promise<Message> {
  let only: Message | undefined;
  try {
    for (let found = await messages.read(); found; found = await messages.read()) {
      for (const message of found) {
        if (only) throw UpstreamFailure.wire("malformed");
        only = message;
      }
    }
  } finally {
    messages.leave();
  }
  if (!only) throw UpstreamFailure.wire("malformed");
  return only;
}

/** A message in binary. Throws `UpstreamFailure` wire `malformed`, and `oversized` for too many fields. */
export function messageIn<Desc extends DescMessage>(bytes: Uint8Array, type: Desc): MessageShape<Desc> {
  try {
    return decodeMessage(type, bytes);
  } catch (cause) {
    throw UpstreamFailure.wire(cause instanceof UndecodableMessage ? cause.reason : "malformed", { cause });
  }
}
