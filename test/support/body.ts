export interface ReadBody {
  /** As they were written. */
  readonly pieces: readonly Uint8Array[];
  readonly bytes: Uint8Array;
  /** Whether it has ended abnormally. */
  readonly isBroken: boolean;
}

/** All that comes of a body, also of one that breaks off. */
export async function readBody({ body }: Response): Promise<ReadBody> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let isBroken = false;
  try {
    for await (const piece of body ?? []) pieces.push(new Uint8Array(piece));
  } catch {
    isBroken = true;
  }
  return { pieces, bytes: new Uint8Array(await new Blob(pieces).arrayBuffer()), isBroken };
}
