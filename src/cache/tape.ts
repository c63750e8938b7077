import type { GenerationChunk } from "../generation.ts";

/** A stream's chunks for several readers, each of whom begins at the beginning and reads at its own pace. */
export interface Tape {
  push(chunk: GenerationChunk): void;
  reader(): TapeReader;
}

export interface TapeReader {
  /** The next chunk; undefined where it has not been pushed yet. */
  read(): GenerationChunk | undefined;
  /** Reads no more. */
  close(): void;
}

/** So many chunks that everybody has read are made into as few as they can be. */
const compactedAtOnce = 256;

/**
 * Keeps what late readers will need, and not each token by itself: a long answer would else take many times the memory of
 * its text.
 */
export function createTape(): Tape {
  const chunks: GenerationChunk[] = [];
  /** How many at the beginning are compact already. */
  let compact = 0;
  let reads = 0;
  const positions = new Set<{ next: number }>();

  function compactWhatAllHaveRead(): void {
    let readByAll = chunks.length;
    for (const { next } of positions) readByAll = Math.min(readByAll, next);
    const loose = readByAll - compact;
    if (loose < compactedAtOnce) return;
    const merged = mergeTexts(chunks.slice(compact, readByAll));
    chunks.splice(compact, loose, ...merged);
    compact += merged.length;
    for (const position of positions) position.next -= loose - merged.length;
  }

  return {
    push(chunk) {
      chunks.push(chunk);
    },
    reader() {
      const position = { next: 0 };
      positions.add(position);
      return {
        read() {
          const chunk = chunks[position.next];
          if (!chunk) return undefined;
          position.next++;
          // Not with each chunk, since it looks at every reader.
          if (++reads % compactedAtOnce === 0) compactWhatAllHaveRead();
          return chunk;
        },
        close: () => void positions.delete(position),
      };
    },
  };
}

/** The same chunks, of which those that only go on with a choice's text are one. */
function mergeTexts(chunks: readonly GenerationChunk[]): GenerationChunk[] {
  const merged: GenerationChunk[] = [];
  let run: GenerationChunk[] = [];
  const endRun = () => {
    const [first] = run;
    if (first) merged.push({ ...first, delta: run.map(({ delta }) => delta).join("") });
    run = [];
  };
  for (const chunk of chunks) {
    if (!isText(chunk) || (run[0] && run[0].choice !== chunk.choice)) endRun();
    if (isText(chunk)) run.push(chunk);
    else merged.push(chunk);
  }
  endRun();
  return merged;
}

function isText({ extra, logprobs, finishReason, usage, knowledge, hasGap }: GenerationChunk): boolean {
  return [extra, logprobs, finishReason, usage, knowledge, hasGap].every((member) => member === undefined);
}
