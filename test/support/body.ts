export interface ReadBody {
  readonly bytes: Uint8Array;
  /** Whether it has ended abnormally. */
  readonly isBroken: boolean;
}

/** All that comes of a body, also of one that breaks off. */
export async function readBody({ body }: Response): Promise<ReadBody> {
  const pieces: Uint8Array[] = [];
  const whole = async (isBroken: boolean) => ({
    bytes: new Uint8Array(await new Blob(pieces.map((piece) => new Uint8Array(piece))).arrayBuffer()),
    isBroken,
  });
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = body?.getReader();
  if (!reader) return await whole(false);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value);
  } catch {
    return await whole(true);
  }
  return await whole(false);
}
