import type { GenerationRequest } from "../generation.ts";
import { charactersIn, lengthWithin } from "./length.ts";
import { rewriteTask } from "./rewrite.ts";

export interface ExpandWish {
  readonly text: string;
  /** How long it is to become, in characters. */
  readonly length?: number;
  /** In the place of a length: how many times as long as it is. */
  readonly ratio?: number;
  /** What it is to grow by. */
  readonly direction?: string;
}

/** A text with more in it: half as much again where its author says neither length nor ratio. */
export function expandTask({ text, length, ratio, direction }: ExpandWish): GenerationRequest {
  const longer = ratio === undefined ? undefined : lengthWithin(charactersIn(text) * ratio);
  return rewriteTask({ text, mode: "expand", wish: direction, length: length ?? longer });
}
