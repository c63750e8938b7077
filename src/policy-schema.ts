import * as z from "zod/mini";
import type { Policy } from "./policy.ts";

const most = Number.MAX_SAFE_INTEGER;
const count = z.int().check(z.nonnegative(), z.lte(most));

/**
 * The members of a policy, to be put into the schema (`z.strictObject`) of whatever a policy is written in: the settings, a
 * managed key.
 */
export const policyShape = {
  models: z.optional(z.array(z.string().check(z.regex(/^\S{1,256}$/))).check(z.minLength(1), z.maxLength(256))),
  requestsPerMinute: z.optional(count),
  concurrent: z.optional(count),
  tokensPerDay: z.optional(count),
  costPerMonth: z.optional(z.number().check(z.nonnegative(), z.lte(most))),
} satisfies Readonly<Record<keyof Policy, z.ZodMiniType>>;
