import type { GenerationChunk } from "../../generation.ts";
import { chunkUnits, isOnlyText } from "../../memory-units.ts";

/** A stream's chunks for several readers, each of whom begins at the beginning and reads at its own pace. */
export interface Replay {
  push(batch: readonly GenerationChunk[]): void;
  reader(): ReplayReader;
  /** How much has come, in UTF-16 units of memory. */
  units(): number;
  /** How much of it not even the fastest reader has read yet. */
  unreadUnits(): number;
  /**
   * Nobody begins at the beginning any more. What all have read goes at once from now on, and who is further behind than is
   * held is left behind.
   */
  forgetBeginning(): void;
}

export interface ReplayReader {
  hasUnread(): boolean;
  /** Whether it has read so slowly that what it had to read next is gone. */
  isLeftBehind(): boolean;
  /** All chunks that it has not read yet. */
  read(): readonly GenerationChunk[];
  /** Reads no more. */
  close(): void;
}

interface Position {
  next: number;
  /** What the stream had come to when it was last read. */
  units: number;
  isLeftBehind: boolean;
}

/** So many chunks are made into as few as they can be. */
const compactedAtOnce = 256;

/**
 * Keeps what late readers will need, and not each token by itself: a long answer would else take many times the memory of
 * its text. `maxBehindUnits` is how far a reader may be behind once the beginning is forgotten.
 */
export function createReplay(maxBehindUnits: number): Replay {
  const chunks: GenerationChunk[] = [];
  /** How many at the beginning are compact already. */
  let compact = 0;
  let units = 0;
  let isForgetting = false;
  const positions = new Set<Position>();

  /** Merges what is between two readers' places. */
  function compactLoose(): void {
    const merged: GenerationChunk[] = [];
    let from = compact;
    const mergeTo = (end: number) => {
      for (const chunk of mergeTexts(chunks.slice(from, end))) merged.push(chunk);
      from = end;
      return compact + merged.length;
    };
    const places = [...positions].filter(({ next }) => next > compact).toSorted((a, b) => a.next - b.next);
    for (const position of places) position.next = mergeTo(position.next);
    mergeTo(chunks.length);
    chunks.length = compact;
    for (const chunk of merged) chunks.push(chunk);
    compact = chunks.length;
  }

  function forgetWhatAllHaveRead(): void {
    let readByAll = chunks.length;
    for (const position of positions) {
      position.isLeftBehind = units - position.units > maxBehindUnits;
      if (position.isLeftBehind) positions.delete(position);
      else readByAll = Math.min(readByAll, position.next);
    }
    if (readByAll === 0) return;
    chunks.splice(0, readByAll);
    compact = Math.max(0, compact - readByAll);
    for (const position of positions) position.next -= readByAll;
  }

  return {
    push(batch) {
      for (const chunk of batch) {
        chunks.push(chunk);
        units += chunkUnits(chunk);
      }
      if (isForgetting) forgetWhatAllHaveRead();
      if (chunks.length - compact >= compactedAtOnce) compactLoose();
    },
    units: () => units,
    unreadUnits() {
      let read = 0;
      for (const position of positions) read = Math.max(read, position.units);
      return units - read;
    },
    forgetBeginning() {
      isForgetting = true;
      forgetWhatAllHaveRead();
    },
    reader() {
      const position: Position = { next: 0, units: 0, isLeftBehind: false };
      positions.add(position);
      return {
        hasUnread: () => position.next < chunks.length,
        isLeftBehind: () => position.isLeftBehind,
        read() {
          const batch = chunks.slice(position.next);
          position.next = chunks.length;
          position.units = units;
          if (isForgetting) forgetWhatAllHaveRead();
          return batch;
        },
        close: () => void positions.delete(position),
      };
    },
  };
}

/** The same chunks, of which those that only go on with a choice's text are one for each choice. */
function mergeTexts(chunks: readonly GenerationChunk[]): GenerationChunk[] {
  const merged: GenerationChunk[] = [];
  const runs = new Map<number, GenerationChunk[]>();
  const endRuns = () => {
    for (const [first, ...others] of runs.values()) {
      if (first) merged.push({ ...first, delta: first.delta + others.map(({ delta }) => delta).join("") });
    }
    runs.clear();
  };
  for (const chunk of chunks) {
    const run = runs.get(chunk.choice);
    if (!isOnlyText(chunk)) {
      endRuns();
      merged.push(chunk);
    } else if (run) run.push(chunk);
    else runs.set(chunk.choice, [chunk]);
  }
  endRuns();
  return merged;
}
