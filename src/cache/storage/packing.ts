const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What stands before the text. */
const forms = { plain: 1, gzip: 2 } as const;
const digestBytes = 32;

/** A text shorter than this is not compressed: what is saved is not worth the time. */
const leastCompressedBytes = 2 * 1024;

/** A text as it is stored: a byte for its form, its SHA-256, and the text, compressed where that pays. */
export async function pack(text: string): Promise<Uint8Array> {
  const plain = encoder.encode(text);
  const digest = await crypto.subtle.digest("SHA-256", plain);
  const zipped =
    plain.length < leastCompressedBytes ? undefined : await through(plain, new CompressionStream("gzip"), plain.length);
  const [form, body] = zipped ? [forms.gzip, zipped] : [forms.plain, plain];
  const packed = new Uint8Array(1 + digestBytes + body.length);
  packed[0] = form;
  packed.set(new Uint8Array(digest), 1);
  packed.set(body, 1 + digestBytes);
  return packed;
}

/** The text again; undefined where it is not what was packed, or longer than `maxBytes`. */
export async function unpack(packed: Uint8Array, maxBytes: number): Promise<string | undefined> {
  try {
    const body = packed.subarray(1 + digestBytes);
    const isZipped = packed[0] === forms.gzip;
    if (!isZipped && packed[0] !== forms.plain) return undefined;
    const plain = isZipped ? await through(body, new DecompressionStream("gzip"), maxBytes) : body;
    if (!plain) return undefined;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", plain));
    return crypto.subtle.timingSafeEqual(digest, packed.subarray(1, 1 + digestBytes))
      ? decoder.decode(plain)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes after a transformation; undefined where they become more than `maxBytes`. */
async function through(
  bytes: Uint8Array,
  transform: CompressionStream | DecompressionStream,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const stream = new Blob([bytes]).stream().pipeThrough(transform);
  for await (const piece of stream) {
    length += piece.byteLength;
    if (length > maxBytes) return undefined;
    pieces.push(piece);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
