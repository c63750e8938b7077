import type { GenerationRequest } from "../generation.ts";
import { rewriteTask } from "./rewrite.ts";

export interface PolishWish {
  readonly text: string;
  /** How it is to read: a word, or a sentence of the author's. */
  readonly style?: string;
  /** What matters most. */
  readonly focusAreas?: readonly string[];
  readonly instructions?: string;
  /** How long it is to become, in characters, where that is not as long as it is. */
  readonly length?: number;
}

/** A text in better words. */
export function polishTask({
  text,
  style = "",
  focusAreas = [],
  instructions = "",
  length,
}: PolishWish): GenerationRequest {
  const areas = focusAreas.filter((area) => area.trim() !== "").join("、");
  const wishes = [style.trim() && `文风：${style}`, areas && `着重：${areas}`, instructions];
  const wish = wishes.filter((each) => each.trim() !== "").join("\n");
  return rewriteTask({ text, mode: "polish", wish, length });
}
