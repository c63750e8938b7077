import type { GenerationStream } from "./generation.ts";

/** How an answer ended. `failed`, `left`: it broke off, or nobody was there any more who had asked for it. */
export type AnswerEnd = "complete" | "failed" | "left";

type Batch = NonNullable<Awaited<ReturnType<GenerationStream["read"]>>>;

export interface Watcher {
  readonly onBatch: (batch: Batch) => void;
  /** Told once. */
  readonly onEnd: (how: AnswerEnd) => void;
  /** Told of what a read throws, before `onEnd`. */
  readonly onFailure?: (error: unknown) => void;
}

/** The same stream. A caller who stops reading ends it by the call's signal, since nobody reads on to hear of an end. */
export function watched(
  stream: GenerationStream,
  signal: AbortSignal,
  { onBatch, onEnd, onFailure }: Watcher,
): GenerationStream {
  let hasEnded = false;
  const end = (how: AnswerEnd) => {
    if (hasEnded) return;
    hasEnded = true;
    signal.removeEventListener("abort", leave);
    onEnd(how);
  };
  const leave = () => end("left");
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  return {
    ...stream,
    async read() {
      try {
        const batch = await stream.read();
        if (batch) onBatch(batch);
        else end("complete");
        return batch;
      } catch (error) {
        onFailure?.(error);
        end("failed");
        throw error;
      }
    },
  };
}
