const maxBytes = 8 * 1024 * 1024;
/** Connect's and gRPC-Web's frames begin with a flag byte and the length of what follows. */
const frameHeadBytes = 5;

/**
 * A `fetch` for connect-web's transports, which allocate whatever a frame announces: it refuses an answer of more than
 * 8 MiB, and a first frame that announces more, before anything is handed on.
 */
export const cappedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const isFramed = /^application\/(grpc-web|connect\+)/.test(response.headers.get("content-type") ?? "");
  return new Response(response.body?.pipeThrough(cap(isFramed)), response);
};

function cap(isFramed: boolean): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  let head: number[] = [];
  let frameLeft = 0;
  return new TransformStream({
    transform(piece, controller) {
      bytes += piece.byteLength;
      if (bytes > maxBytes) throw new Error("the answer is too large");
      for (let index = 0; isFramed && index < piece.byteLength; ) {
        if (frameLeft > 0) {
          const step = Math.min(frameLeft, piece.byteLength - index);
          frameLeft -= step;
          index += step;
          continue;
        }
        head.push(piece[index++] ?? 0);
        if (head.length < frameHeadBytes) continue;
        frameLeft = new DataView(Uint8Array.from(head).buffer).getUint32(1);
        if (frameLeft > maxBytes) throw new Error("a frame is too large");
        head = [];
      }
      controller.enqueue(piece);
    },
  });
}

/** The innermost error behind an error, where Node says what the network did. */
export function rootCause(error: unknown): { code: string; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return rootCause(error.errors[0]);
  if (error instanceof Error && error.cause) return rootCause(error.cause);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { code, message: error instanceof Error ? error.message : String(error) };
}
