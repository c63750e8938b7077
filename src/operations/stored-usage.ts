import * as z from "zod/mini";
import { mostTokens } from "../usage.ts";

const tokens = z.int().check(z.nonnegative(), z.lte(mostTokens));

/** What a stored answer cost, held to what providers are held to. */
export const storedUsage = z.object({
  totalTokens: tokens,
  split: z.optional(z.object({ promptTokens: tokens, completionTokens: tokens })),
  details: z.optional(z.record(z.string(), z.json())),
});
