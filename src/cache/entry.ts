import * as z from "zod/mini";
import { finishReasons, type Generation } from "../generation.ts";
import { schemaVersion } from "./key.ts";

/** What stands in KV under a key: a complete answer, whose it is, and when it was made. */
export interface Entry {
  readonly tenant: string;
  readonly generation: Generation;
}

const count = z.int().check(z.nonnegative());
const jsonObject = z.record(z.string(), z.json());
const choiceSchema = z.object({
  content: z.string(),
  finishReason: z.enum(finishReasons),
  extra: z.optional(jsonObject),
  logprobs: z.optional(z.json()),
});
const entrySchema = z.object({
  version: z.literal(schemaVersion),
  tenant: z.string(),
  generation: z.object({
    provider: z.string(),
    model: z.string(),
    createdAtMs: count,
    choices: z.tuple([choiceSchema], choiceSchema),
    usage: z.optional(
      z.object({
        totalTokens: count,
        split: z.optional(z.object({ promptTokens: count, completionTokens: count })),
        details: z.optional(jsonObject),
      }),
    ),
  }),
});

export function encodeEntry(entry: Entry): string {
  return JSON.stringify({ version: schemaVersion, ...entry });
}

/** The entry in a stored text; undefined where it is corrupt, of another schema version or of another tenant. */
export function decodeEntry(text: string, tenant: string): Entry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = entrySchema.safeParse(value);
  return parsed.success && parsed.data.tenant === tenant ? parsed.data : undefined;
}
