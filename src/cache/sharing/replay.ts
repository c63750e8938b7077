import type { GenerationChunk } from "../../generation.ts";
import { chunkUnits, isOnlyText } from "../../memory-units.ts";

/** A stream's chunks for several readers, each of whom begins at the beginning and reads at its own pace. */
export interface Replay {
  push(batch: readonly GenerationChunk[]): void;
  reader(): ReplayReader;
  /** How much is held, in UTF-16 units of memory. */
  heldUnits(): number;
  /** How much not even the fastest reader has read yet. */
  unreadUnits(): number;
  /**
   * Nobody begins at the beginning any more. What all have read goes at once from now on, and who has more than so much
   * still to read is left behind.
   */
  forgetBeginning(maxUnreadUnits: number): void;
}

export interface ReplayReader {
  hasUnread(): boolean;
  /** Whether it has read so slowly that what it had to read next is gone. */
  isLeftBehind(): boolean;
  /** The chunks that it has to read next, not many more than are written at once. */
  read(): readonly GenerationChunk[];
  /** Reads no more. */
  close(): void;
}

interface Kept {
  readonly chunk: GenerationChunk;
  readonly units: number;
}

interface Position {
  next: number;
  /** What has been read. */
  units: number;
  isLeftBehind: boolean;
}

/** So many chunks are made into as few as they can be. */
const compactedAtOnce = 256;
const readAtOnceUnits = 64 * 1024;

/**
 * Keeps what late readers will need, and not each token by itself: a long answer would else take many times the memory of
 * its text.
 */
export function createReplay(): Replay {
  const chunks: Kept[] = [];
  /** How many at the beginning are compact already. */
  let compact = 0;
  let units = 0;
  let forgottenUnits = 0;
  /** Undefined while all of it is kept. */
  let maxUnreadUnits: number | undefined;
  const positions = new Set<Position>();

  /** Merges what is between two readers' places. */
  function compactLoose(): void {
    const merged: Kept[] = [];
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
    if (maxUnreadUnits === undefined) return;
    let readByAll = chunks.length;
    for (const position of positions) {
      position.isLeftBehind = units - position.units > maxUnreadUnits;
      if (position.isLeftBehind) positions.delete(position);
      else readByAll = Math.min(readByAll, position.next);
    }
    if (readByAll === 0) return;
    for (const gone of chunks.splice(0, readByAll)) forgottenUnits += gone.units;
    compact = Math.max(0, compact - readByAll);
    for (const position of positions) position.next -= readByAll;
  }

  return {
    push(batch) {
      for (const chunk of batch) {
        const kept = { chunk, units: chunkUnits(chunk) };
        chunks.push(kept);
        units += kept.units;
      }
      forgetWhatAllHaveRead();
      if (chunks.length - compact >= compactedAtOnce) compactLoose();
    },
    heldUnits: () => units - forgottenUnits,
    unreadUnits() {
      let read = 0;
      for (const position of positions) read = Math.max(read, position.units);
      return units - read;
    },
    forgetBeginning(most) {
      maxUnreadUnits = most;
      forgetWhatAllHaveRead();
    },
    reader() {
      const position: Position = { next: 0, units: 0, isLeftBehind: false };
      positions.add(position);
      return {
        hasUnread: () => position.next < chunks.length,
        isLeftBehind: () => position.isLeftBehind,
        read() {
          const batch: GenerationChunk[] = [];
          for (let read = 0; read < readAtOnceUnits; ) {
            const kept = chunks[position.next];
            if (!kept) break;
            batch.push(kept.chunk);
            read += kept.units;
            position.next++;
            position.units += kept.units;
          }
          forgetWhatAllHaveRead();
          return batch;
        },
        close: () => void positions.delete(position),
      };
    },
  };
}

/** The same chunks, of which those that only go on with a choice's text are one for each choice. */
function mergeTexts(chunks: readonly Kept[]): Kept[] {
  const merged: Kept[] = [];
  const runs = new Map<number, Kept[]>();
  const endRuns = () => {
    for (const run of runs.values()) {
      const [first] = run;
      if (!first) continue;
      const delta = run.map(({ chunk }) => chunk.delta).join("");
      merged.push({ chunk: { ...first.chunk, delta }, units: delta.length });
    }
    runs.clear();
  };
  for (const kept of chunks) {
    const run = runs.get(kept.chunk.choice);
    if (!isOnlyText(kept.chunk)) {
      endRuns();
      merged.push(kept);
    } else if (run) run.push(kept);
    else runs.set(kept.chunk.choice, [kept]);
  }
  endRuns();
  return merged;
}
