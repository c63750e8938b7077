import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { GatewayError } from "../../errors.ts";
import type { RequestRecord } from "../../record.ts";
import { type StreamedBodyOptions, streamedBody } from "../streamed-body.ts";

/** A unary method's answer, which is sent at once. */
export async function wholeResponse(
  { status, header, body }: UniversalServerResponse,
  record: RequestRecord,
): Promise<Response> {
  const pieces: Uint8Array[] = [];
  if (body) for await (const piece of body) pieces.push(piece);
  const bytes = joined(pieces);
  record.responseBytes = bytes.byteLength;
  return new Response(bytes, { status, headers: header });
}

/** A stream of messages, each of them whole; those that come together leave together. */
export function streamedResponse(
  { status, header, body }: UniversalServerResponse,
  { onLeave, ...options }: Pick<StreamedBodyOptions<Uint8Array>, "record" | "onLeave" | "batchMs">,
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
