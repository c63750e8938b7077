import type { RequestRecord } from "../record.ts";
import { answerHeaders } from "./answer-headers.ts";
import { streamedBody } from "./streamed-body.ts";

/** In UTF-16 units. */
const pieceLength = 64 * 1024;

const utf8 = new TextEncoder();

/** JSON that is sent as one body. */
export function jsonResponse(text: string, record: RequestRecord): Response {
  const bytes = utf8.encode(text);
  record.responseBytes = bytes.byteLength;
  return new Response(bytes, { headers: headersOf(record) });
}

/** JSON of any length: sent as one body where it is short, else a piece at a time, so that no more than that is in memory. */
export function jsonPieces(texts: Iterator<string>, record: RequestRecord): Response {
  const next = (): IteratorResult<string, string> => {
    let text = "";
    while (text.length < pieceLength) {
      const { done, value } = texts.next();
      if (done) return { done, value: text };
      text += value;
    }
    return { done: false, value: text };
  };
  const first = next();
  if (first.done) return jsonResponse(first.value, record);
  let head: typeof first | undefined = first;
  const body = streamedBody({
    pieces: {
      async next() {
        const piece = head ?? next();
        head = undefined;
        return piece;
      },
    },
    join: (pieces) => utf8.encode(pieces.join("")),
    record,
    onLeave: () => {},
    batchMs: 0,
  });
  return new Response(body, { headers: headersOf(record) });
}

function headersOf(record: RequestRecord): HeadersInit {
  return { "content-type": "application/json", ...answerHeaders(record, Date.now()) };
}
