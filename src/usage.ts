import type { Usage } from "./generation.ts";

/** The most that the contract can say, in an int32; no answer comes near it. */
export const mostTokens = 2 ** 31 - 1;

/** Numbers from outside that say how many tokens an answer took. */
interface Counts {
  readonly promptTokens: unknown;
  readonly completionTokens: unknown;
  readonly totalTokens: unknown;
}

/** Whether a number from outside can be a count of tokens. */
export function isTokenCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= mostTokens;
}

/**
 * The usage that a provider reports. Absent where one of its counts is none: negative, a fraction, or more than an int32
 * holds. A number that is made up to look possible would be billed.
 */
export function usageOf({ promptTokens, completionTokens, totalTokens }: Counts): Usage | undefined {
  if (!isTokenCount(promptTokens) || !isTokenCount(completionTokens)) return undefined;
  return isTokenCount(totalTokens) ? { totalTokens, split: { promptTokens, completionTokens } } : undefined;
}

/** What two answers took together: of a part that is not known the whole is not known either. */
export function sumOf(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (!one || !other) return undefined;
  const totalTokens = one.totalTokens + other.totalTokens;
  if (!one.split || !other.split) return { totalTokens };
  return usageOf({
    totalTokens,
    promptTokens: one.split.promptTokens + other.split.promptTokens,
    completionTokens: one.split.completionTokens + other.split.completionTokens,
  });
}
