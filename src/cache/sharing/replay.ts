import type { GenerationChunk } from "../../generation.ts";

/** A stream's chunks for several readers, each of whom begins at the beginning and reads at its own pace. */
export interface Replay {
  push(batch: readonly GenerationChunk[]): void;
  reader(): ReplayReader;
  /** How much of it not even the fastest reader has read yet, in UTF-16 units and one for each chunk. */
  unreadUnits(): number;
}

export interface ReplayReader {
  hasUnread(): boolean;
  /** All chunks that it has not read yet. */
  read(): readonly GenerationChunk[];
  /** Reads no more. */
  close(): void;
}

interface Position {
  next: number;
  /** What the stream had come to when it was last read. */
  units: number;
}

/** So many chunks that everybody has read are made into as few as they can be. */
const compactedAtOnce = 256;

/**
 * Keeps what late readers will need, and not each token by itself: a long answer would else take many times the memory of
 * its text.
 */
export function createReplay(): Replay {
  const chunks: GenerationChunk[] = [];
  /** How many at the beginning are compact already. */
  let compact = 0;
  let units = 0;
  let readSinceCompacted = 0;
  const positions = new Set<Position>();

  function compactWhatAllHaveRead(): void {
    readSinceCompacted = 0;
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
    push(batch) {
      for (const chunk of batch) {
        chunks.push(chunk);
        units += chunk.delta.length + 1;
      }
    },
    unreadUnits() {
      let read = 0;
      for (const position of positions) read = Math.max(read, position.units);
      return units - read;
    },
    reader() {
      const position: Position = { next: 0, units: 0 };
      positions.add(position);
      return {
        hasUnread: () => position.next < chunks.length,
        read() {
          const batch = chunks.slice(position.next);
          position.next = chunks.length;
          position.units = units;
          // Not with each batch, since it looks at every reader.
          readSinceCompacted += batch.length;
          if (readSinceCompacted >= compactedAtOnce) compactWhatAllHaveRead();
          return batch;
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
