import { settlesWithin } from "./waiting.ts";

/** Makes the error for why a body could not be read: larger than allowed, ended before its end, or not UTF-8. */
export type BodyFault = (reason: "oversized" | "truncated" | "malformed", cause?: unknown) => Error;

/** A request or a response, as far as its body goes. */
export interface HttpMessage {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A body as UTF-8 text, never holding more than `maxBytes` of it. Throws what `fault` makes. */
export async function readText(message: HttpMessage, maxBytes: number, fault: BodyFault): Promise<string> {
  return decode(fault, wholeDecoder, await readBytes(message, maxBytes, fault));
}

/** A body's bytes, never holding more than `maxBytes` of them. Throws what `fault` makes of `oversized` and `truncated`. */
export async function readBytes(message: HttpMessage, maxBytes: number, fault: BodyFault): Promise<Uint8Array> {
  // The runtime holds a body to its announced length, so a short one can be read at once; a compressed one announces another.
  const announcedBytes = announcedLength(message.headers);
  if (announcedBytes > maxBytes) throw fault("oversized");
  if (announcedBytes >= 0 && !message.headers.has("content-encoding")) {
    try {
      return new Uint8Array(await message.arrayBuffer());
    } catch (cause) {
      throw fault("truncated", cause);
    }
  }
  const pieces: Uint8Array[] = [];
  const reader = bodyReader(message.body, { maxBytes, fault, convert: (bytes) => bytes });
  try {
    for (let piece = await reader.read(); piece; piece = await reader.read()) pieces.push(piece);
  } finally {
    reader.leave();
  }
  const [only] = pieces;
  return only && pieces.length === 1 ? only : new Uint8Array(await new Blob(pieces).arrayBuffer());
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

/** A body as it comes. */
export interface BodyReader<Piece> {
  /**
   * The next piece; undefined at the body's end, and where nothing came for `patienceMs`. Throws what `fault` makes of
   * `oversized` and `truncated` (the connection broke), and what `convert` throws.
   */
  read(patienceMs?: number): Promise<Piece | undefined>;
  /** Wants no more of it; unless told otherwise the body is cancelled. Nothing happens after its end. */
  leave(how?: (reader: Reader) => void): void;
}

export interface BodyReaderOptions<Piece> {
  readonly maxBytes: number;
  readonly fault: BodyFault;
  /** Makes a piece of what has come, or of the body's end. */
  readonly convert: (bytes: Uint8Array | undefined) => Piece | undefined;
}

/** Reads a body piece by piece, in one wait for each. */
export function bodyReader<Piece>(
  body: ReadableStream<Uint8Array> | null,
  { maxBytes, fault, convert }: BodyReaderOptions<Piece>,
): BodyReader<Piece> {
  let reader = body?.getReader();
  let bytes = 0;
  return {
    async read(patienceMs) {
      if (!reader) return undefined;
      const next = reader.read();
      if (patienceMs !== undefined && !(await settlesWithin(next, patienceMs))) return undefined;
      let result: Awaited<typeof next>;
      try {
        result = await next;
      } catch (cause) {
        reader = undefined;
        throw fault("truncated", cause);
      }
      if (result.done) {
        reader = undefined;
        return convert(undefined);
      }
      bytes += result.value.byteLength;
      if (bytes > maxBytes) throw fault("oversized");
      return convert(result.value);
    },
    leave(how = cancel) {
      if (reader) how(reader);
      reader = undefined;
    },
  };
}

/** Decodes UTF-8 piece by piece; of the end, undefined. Throws what `fault` makes of `malformed`. */
export function textDecoder(fault: BodyFault): (bytes: Uint8Array | undefined) => string | undefined {
  const decoder = newDecoder();
  return (bytes) => {
    const text = decode(fault, decoder, bytes, { stream: bytes !== undefined });
    return bytes && text;
  };
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
