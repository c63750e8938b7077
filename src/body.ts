import { type AskForTurn, startTurn, turnFor } from "./turn.ts";
import { settlesWithin } from "./waiting.ts";

/** Makes the error for why a body could not be read: larger than allowed, ended before its end, or not UTF-8. */
export type BodyFault = (reason: "oversized" | "truncated" | "malformed", cause?: unknown) => Error;

/** How long a body is waited for, and the error for one that has not come to its end by then. */
interface Patience {
  readonly limitMs: number;
  readonly late: () => Error;
}

/** A request or a response, as far as its body goes. */
export interface HttpMessage {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
}

/** How a whole body is read. */
export interface BodyOptions {
  readonly maxBytes: number;
  readonly fault: BodyFault;
  /** It may take as long as it takes where this is absent. */
  readonly patience?: Patience;
  /** Is told for how many bytes of the body more there must be room; what it throws ends the reading. */
  readonly takeRoom?: (bytes: number) => void;
  /** Is asked before something is made of a long body. */
  readonly turn?: AskForTurn;
}

/** A body as UTF-8 text. Throws what `readBytes` throws, and what `fault` makes of `malformed`. */
export async function readText(message: HttpMessage, options: BodyOptions): Promise<string> {
  return decode(options.fault, wholeDecoder, await readBytes(message, options));
}

/** Room for a body that does not say how long it is, and the most that one gets because it says so. */
const [usualBytes, mostTrustedBytes] = [16 * 1024, 64 * 1024];

/**
 * A body's bytes, never holding more than `maxBytes` of them. They are counted whatever was announced: neither chunks nor a
 * compressed body is held to its `Content-Length`. Throws what `fault` makes of `oversized` and `truncated`, `late`, and
 * what `takeRoom` throws.
 */
export async function readBytes(message: HttpMessage, options: BodyOptions): Promise<Uint8Array> {
  const bytes = await bytesOf(message, options);
  await turnFor(bytes.byteLength, options.turn);
  return bytes;
}

async function bytesOf(
  { headers, body }: HttpMessage,
  { maxBytes, fault, patience, takeRoom = () => {} }: BodyOptions,
): Promise<Uint8Array> {
  const announcedBytes = announcedLength(headers);
  if (announcedBytes > maxBytes) throw fault("oversized");
  if (!body) return new Uint8Array();
  const isAnnounced = announcedBytes >= 0 && !headers.has("content-encoding");
  const expectedBytes = isAnnounced ? Math.min(announcedBytes, mostTrustedBytes) : usualBytes;
  let takenBytes = 0;
  const takeRoomFor = (bytes: number) => {
    if (bytes > takenBytes) takeRoom(bytes - takenBytes);
    takenBytes = Math.max(bytes, takenBytes);
  };
  // For all that is announced, so that who finds no room for it is told before he has sent it.
  if (isAnnounced) takeRoomFor(announcedBytes);
  const reader = wholeReader(body);
  // One more than expected, so that one wait tells that a body has ended, in however many pieces it came.
  let buffer = new Uint8Array(Math.min(expectedBytes, maxBytes) + 1);
  let late: Error | undefined;
  const giveUp = () => {
    late = patience?.late();
    cancel(reader);
  };
  const timer = patience && setTimeout(giveUp, patience.limitMs);
  try {
    for (let bytes = 0; ; ) {
      const roomBytes = buffer.byteLength - bytes;
      let came: Uint8Array<ArrayBuffer>;
      try {
        came = (await reader.readAtLeast(roomBytes, buffer.subarray(bytes))).value ?? new Uint8Array();
      } catch (cause) {
        throw late ?? fault("truncated", cause);
      }
      if (late) throw late;
      bytes += came.byteLength;
      // What was lent to the reader comes back as another buffer over the same memory.
      buffer = new Uint8Array(came.buffer);
      if (came.byteLength < roomBytes) {
        takeRoomFor(bytes);
        return buffer.subarray(0, bytes);
      }
      const largerBytes = Math.min(2 * buffer.byteLength, maxBytes + 1);
      try {
        if (bytes > maxBytes) throw fault("oversized");
        takeRoomFor(largerBytes);
      } catch (error) {
        cancel(reader);
        throw error;
      }
      const larger = new Uint8Array(largerBytes);
      larger.set(buffer);
      buffer = larger;
    }
  } finally {
    if (timer !== undefined) clearTimeout(timer);
  }
}

/** A reader that waits until a buffer is full or the body has ended. Streams that JavaScript made have none. */
function wholeReader(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return body.pipeThrough(new IdentityTransformStream()).getReader({ mode: "byob" });
  }
}

/** What `Content-Length` says, in bytes; -1 where it is absent or no number. */
export function announcedLength(headers: Headers): number {
  const text = headers.get("content-length");
  return text !== null && /^\d+$/.test(text) ? Number(text) : -1;
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
  /** Is asked where reading goes on and on. */
  readonly turn?: AskForTurn;
}

/** So many pieces a body may have whatever is in them, and one more for so many bytes: less is in no honest frame or event. */
const [freePieces, leastPieceBytes] = [10_000, 4];

/**
 * Reads a body piece by piece, in one wait for each, and gives way to others where it never has to wait. `fault` makes
 * `malformed` of pieces that cost more to read than they say.
 */
export function bodyReader<Piece>(
  body: ReadableStream<Uint8Array> | null,
  { maxBytes, fault, convert, turn: ask }: BodyReaderOptions<Piece>,
): BodyReader<Piece> {
  let reader = body?.getReader();
  let [bytes, pieces] = [0, 0];
  const turn = startTurn(ask);
  return {
    async read(patienceMs) {
      if (!reader) return undefined;
      const askedMs = Date.now();
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
      if (++pieces > freePieces + bytes / leastPieceBytes) throw fault("malformed");
      if (turn.isOver(askedMs)) await turn.giveWay();
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

function cancel(reader: Pick<Reader, "cancel">): void {
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
