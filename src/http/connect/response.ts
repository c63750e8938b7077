import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { GatewayError } from "../../errors.ts";
import type { Share } from "../../in-flight.ts";
import type { RequestRecord } from "../../record.ts";
import { maxWriteLength, type Pieces, type StreamedBodyOptions, streamedBody } from "../streamed-body.ts";

/**
 * A unary method's answer: sent at once where it is short, else a piece at a time. Throws a `GatewayError` `overloaded` where
 * there is no memory for it.
 */
export async function wholeResponse(
  { status, header, body }: UniversalServerResponse,
  record: RequestRecord,
  memory: Share,
): Promise<Response> {
  const pieces: Uint8Array[] = [];
  if (body) for await (const piece of body) pieces.push(piece);
  const bytes = joined(pieces);
  if (bytes.byteLength <= maxWriteLength) {
    record.responseBytes = bytes.byteLength;
    return new Response(bytes, { status, headers: header });
  }
  memory.take(bytes.byteLength);
  const { endsMs } = memory;
  const slices = streamedBody({ pieces: slicesOf(bytes), join: joined, record, onLeave: () => {}, batchMs: 0, endsMs });
  return new Response(slices, { status, headers: header });
}

function slicesOf(bytes: Uint8Array): Pieces<Uint8Array> {
  let start = 0;
  return {
    async next() {
      const value = bytes.subarray(start, start + maxWriteLength);
      start += maxWriteLength;
      return { done: start >= bytes.byteLength, value };
    },
  };
}

/** A stream of messages, each of them whole; those that come together leave together. */
export function streamedResponse(
  { status, header, body }: UniversalServerResponse,
  { onLeave, ...options }: Pick<StreamedBodyOptions<Uint8Array>, "record" | "onLeave" | "batchMs" | "endsMs">,
): Response {
  const messages = body?.[Symbol.asyncIterator]();
  if (!messages) return new Response(null, { status, headers: header });
  const leave = () => {
    // First the call, since a handler that waits for it hears of nothing else.
    onLeave();
    messages.throw?.(new GatewayError("cancelled", "The caller left.")).catch(() => {});
  };
  return new Response(streamedBody({ ...options, pieces: messages, join: joined, onLeave: leave }), {
    status,
    headers: header,
  });
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = pieces;
  if (first && others.length === 0) return first;
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.byteLength, 0));
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.byteLength;
  }
  return bytes;
}
