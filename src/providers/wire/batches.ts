import type { GenerationChunk, GenerationStream } from "../../generation.ts";

/**
 * A stream's `read` from a function that puts what has come into a batch and says whether there may be more. Where it
 * throws, the chunks that came before are handed out first.
 */
export function batches(fill: (batch: GenerationChunk[]) => Promise<boolean>): GenerationStream["read"] {
  let failure: { readonly cause: unknown } | undefined;
  return async () => {
    for (;;) {
      if (failure) throw failure.cause;
      const batch: GenerationChunk[] = [];
      try {
        if (!(await fill(batch))) return undefined;
      } catch (cause) {
        failure = { cause };
      }
      if (batch.length > 0) return batch;
    }
  };
}
