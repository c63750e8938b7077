import * as z from "zod/mini";
import { finishReasons, type Generation, knowledgeStates } from "../../generation.ts";
import { schemaVersion } from "../key.ts";
import { pack, unpack } from "./packing.ts";

/** What is kept: a complete answer, whose it is, and what it is an answer to. */
export interface Entry {
  readonly tenant: string;
  /** Of the request, as in the store's key. */
  readonly digest: string;
  readonly generation: Generation;
}

/** A longer answer, as JSON, is not kept. */
const maxEntryBytes = 4 * 1024 * 1024;

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
  digest: z.string(),
  generation: z.object({
    provider: z.string(),
    model: z.string(),
    createdAtMs: count,
    choices: z.tuple([choiceSchema], choiceSchema),
    knowledge: z.optional(z.enum(knowledgeStates)),
    usage: z.optional(
      z.object({
        totalTokens: count,
        split: z.optional(z.object({ promptTokens: count, completionTokens: count })),
        details: z.optional(jsonObject),
      }),
    ),
  }),
});

/** An entry as text; undefined where it is too long to be kept. */
export function entryText(entry: Entry): string | undefined {
  const text = JSON.stringify({ version: schemaVersion, ...entry });
  // A character has one byte at least and three at most, so most texts need no counting.
  if (text.length * 3 <= maxEntryBytes) return text;
  return new TextEncoder().encode(text).length <= maxEntryBytes ? text : undefined;
}

/** An entry's text as it is stored. */
export const encodeEntry = pack;

export interface StoredEntry extends Entry {
  /** How long its text is, in UTF-16 units. */
  readonly textUnits: number;
}

/** The entry in stored bytes; undefined where it is corrupt, too large, of another schema version, tenant or request. */
export async function decodeEntry(
  bytes: Uint8Array,
  of: Pick<Entry, "tenant" | "digest">,
): Promise<StoredEntry | undefined> {
  const text = await unpack(bytes, maxEntryBytes);
  if (text === undefined) return undefined;
  const parsed = entrySchema.safeParse(valueIn(text));
  if (!parsed.success || parsed.data.tenant !== of.tenant || parsed.data.digest !== of.digest) return undefined;
  return { ...parsed.data, textUnits: text.length };
}

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
