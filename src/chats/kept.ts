import type { FinishReason, GenerationChunk, GenerationStream, Usage } from "../generation.ts";
import type { Share } from "../in-flight.ts";
import { bytesPerUnit } from "../memory-units.ts";
import type { ComeAnswer } from "./turns.ts";

/** No answer is kept beyond that, in UTF-16 units: with its message it must go into one row of 2 MB. */
const maxKeptUnits = 400_000;

/** What has come of a streamed answer, for as long as there is memory for it. */
export interface Kept {
  readonly note: (batch: readonly GenerationChunk[]) => void;
  /** Undefined where nothing has come. What is cut is not complete. */
  readonly answer: (isComplete: boolean, contextUsed: boolean) => Omit<ComeAnswer, "id"> | undefined;
}

export function keeping({ provider, model: asked }: GenerationStream, memory: Share): Kept {
  const pieces: string[] = [];
  let model = asked;
  let finishReason: FinishReason | undefined;
  let usage: Usage | undefined;
  let units = 0;
  let isCut = false;
  return {
    note(batch) {
      for (const chunk of batch) {
        ({ model = model, finishReason = finishReason, usage = usage } = chunk);
        units += chunk.delta.length;
        isCut ||= units > maxKeptUnits || !memory.mayTake(bytesPerUnit * chunk.delta.length);
        if (!isCut) pieces.push(chunk.delta);
      }
    },
    answer(isComplete, contextUsed) {
      const text = pieces.join("");
      if (text.trim() === "") return undefined;
      const isWhole = isComplete && !isCut;
      const about = { provider, model, usage, contextUsed, ...(isWhole && { finishReason }) };
      return { text, isComplete: isWhole, saidMs: Date.now(), about };
    },
  };
}
