import { unitsOf } from "../memory-units.ts";
import { pieceUnits, textPieces } from "../pieces.ts";
import type { RequestRecord } from "../record.ts";
import { answerHeaders } from "./answer-headers.ts";
import { maxWriteLength, streamedBody } from "./streamed-body.ts";

const utf8 = new TextEncoder();

/** A value as JSON: as one body where it is short, else a piece at a time until `endsMs` (Unix milliseconds). */
export function jsonResponse(value: unknown, record: RequestRecord, endsMs: number): Response {
  if (unitsOf(value) <= maxWriteLength) return wholeText(JSON.stringify(value), record);
  return jsonPieces(jsonTexts(value), record, endsMs);
}

function wholeText(text: string, record: RequestRecord): Response {
  const bytes = utf8.encode(text);
  record.responseBytes = bytes.byteLength;
  return new Response(bytes, { headers: headersOf(record) });
}

/** What `JSON.stringify` makes of an object, in short pieces. */
function* jsonTexts(value: unknown): Generator<string, void> {
  if (unitsOf(value) <= pieceUnits) yield JSON.stringify(value) ?? "null";
  else if (typeof value === "string") {
    yield '"';
    for (const piece of textPieces(value)) yield JSON.stringify(piece).slice(1, -1);
    yield '"';
  } else if (Array.isArray(value)) {
    yield "[";
    for (const [index, item] of value.entries()) {
      if (index > 0) yield ",";
      yield* jsonTexts(item);
    }
    yield "]";
  } else if (typeof value === "object" && value !== null) {
    let opening = "{";
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue;
      yield `${opening}${JSON.stringify(name)}:`;
      yield* jsonTexts(member);
      opening = ",";
    }
    yield opening === "{" ? "{}" : "}";
  }
}

/** JSON of any length: sent as one body where it is short, else a piece at a time, so that no more than that is in memory, until `endsMs` (Unix milliseconds). */
export function jsonPieces(texts: Iterator<string>, record: RequestRecord, endsMs: number): Response {
  const next = (): IteratorResult<string, string> => {
    let text = "";
    while (text.length < maxWriteLength) {
      const { done, value } = texts.next();
      if (done) return { done, value: text };
      text += value;
    }
    return { done: false, value: text };
  };
  const first = next();
  if (first.done) return wholeText(first.value, record);
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
    endsMs,
  });
  return new Response(body, { headers: headersOf(record) });
}

function headersOf(record: RequestRecord): HeadersInit {
  return { "content-type": "application/json", ...answerHeaders(record, Date.now()) };
}
