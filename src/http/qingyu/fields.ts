import * as z from "zod/mini";

/** Members of the platform's requests. Null is the same as absent, and so is what is empty or 0. */

export const id = z.nullish(z.string().check(z.maxLength(128)));
export const text = z.nullish(z.string());
export const model = z.nullish(z.string().check(z.maxLength(256)));
/** In characters. */
export const length = z.nullish(z.int().check(z.gte(0), z.lte(50_000)));

/** How a text is to be made. */
export const optionFields = {
  model,
  temperature: z.nullish(z.number().check(z.gte(0), z.lte(2))),
  maxTokens: z.nullish(z.int().check(z.gte(0), z.describe("The most tokens that the answer may have."))),
  topP: z.nullish(z.number().check(z.gte(0), z.lte(1))),
  stream: z.nullish(z.boolean()).check(z.describe("Whether the answer comes piece by piece, as server-sent events.")),
};
export const options = z.nullish(z.object(optionFields));
export type Options = z.infer<typeof options>;
