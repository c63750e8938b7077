import { settlesWithin } from "./waiting.ts";

/** Makes the error for why a body could not be read: larger than allowed, ended before its end, or not UTF-8. */
export type BodyFault = (reason: "oversized" | "truncated" | "malformed", cause?: unknown) => Error;

/** A request or a response, as far as its body goes. */
export interface Message {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A body as UTF-8 text, never holding more than `maxBytes` of it. Throws what `fault` makes. */
export async function readText(message: Message, maxBytes: number, fault: BodyFault): Promise<string> {
  // The runtime holds a body to its announced length, so a short one can be read at once; a compressed one announces another.
  const announcedBytes = announcedLength(message.headers);
  if (announcedBytes > maxBytes) throw fault("oversized");
  if (announcedBytes >= 0 && !message.headers.has("content-encoding")) {
    const bytes = await message.arrayBuffer().catch((cause) => {
      throw fault("truncated", cause);
    });
    return decode(fault, wholeDecoder, bytes);
  }
  let text = "";
  for await (const piece of textPieces(message.body, maxBytes, fault)) text += piece;
  return text;
}

/** What `Content-Length` says, in bytes; -1 where it is absent. */
export function announcedLength(headers: Headers): number {
  return Number(headers.get("content-length") ?? -1);
}

/** The media type without its parameters, in lower case; empty where there is none. */
export function mediaType(headers: Headers): string {
  return (headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

export interface PiecesOptions {
  /** What to do with a body that was not read to its end; unless told otherwise it is cancelled. */
  readonly leave?: (reader: Reader) => void;
  /** Asked before each piece: how long it may take, in milliseconds, before the body counts as ended; undefined for ever. */
  readonly patienceMs?: () => number | undefined;
}

/** A body as UTF-8 text as it comes. Throws what `fault` makes. */
export async function* textPieces(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  fault: BodyFault,
  options?: PiecesOptions,
): AsyncGenerator<string> {
  const decoder = newDecoder();
  for await (const piece of bytePieces(body, maxBytes, fault, options))
    yield decode(fault, decoder, piece, { stream: true });
  yield decode(fault, decoder);
}

/** A body as it comes. Throws what `fault` makes of `oversized`, after `maxBytes`, and `truncated`, where the connection broke. */
export async function* bytePieces(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  fault: BodyFault,
  { leave = cancel, patienceMs }: PiecesOptions = {},
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const read = reader.read();
      const limitMs = patienceMs?.();
      if (limitMs !== undefined && !(await settlesWithin(read, limitMs))) return;
      const { done, value } = await read.catch((cause) => {
        throw fault("truncated", cause);
      });
      if (done) return;
      bytes += value.byteLength;
      if (bytes > maxBytes) throw fault("oversized");
      yield value;
    }
  } finally {
    leave(reader);
  }
}

function cancel(reader: Reader): void {
  // Rejects with the connection's failure where there was one, which has been told already.
  reader.cancel().catch(() => {});
}

/**
 * Reads on until the body's end, so that its connection can be used again, but no longer than `limitMs` and no more than
 * `maxBytes`; then cancels it. Never throws.
 */
export async function readToEnd(reader: Reader, limitMs: number, maxBytes: number): Promise<void> {
  const timer = setTimeout(() => cancel(reader), limitMs);
  try {
    for (let bytes = 0; bytes <= maxBytes; ) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
  } catch {
    // The connection broke, or a piece is waited for already; nobody needs it any more.
  } finally {
    clearTimeout(timer);
    cancel(reader);
  }
}

const newDecoder = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Keeps nothing between bodies, since it is only given whole ones. */
const wholeDecoder = newDecoder();

function decode(
  fault: BodyFault,
  decoder: TextDecoder,
  bytes?: ArrayBuffer | Uint8Array,
  options?: TextDecoderDecodeOptions,
): string {
  try {
    return decoder.decode(bytes, options);
  } catch (cause) {
    throw fault("malformed", cause);
  }
}
