import * as z from "zod/mini";
import type { Share } from "../../in-flight.ts";
import type { Storage } from "../../operation.ts";
import { schemaVersion } from "./key.ts";
import { pack, unpack, unpackedBytes } from "./packing.ts";

/** Whose answer an entry is, and what it is an answer to. */
export interface Owner {
  readonly tenant: string;
  /** The operation's name. */
  readonly operation: string;
  /** Of the request, as in the store's key. */
  readonly digest: string;
}

/** A longer answer, as JSON, is not kept unless told otherwise. */
export const maxEntryBytes = 4 * 1024 * 1024;

const entrySchema = z.object({
  version: z.literal(schemaVersion),
  tenant: z.string(),
  operation: z.string(),
  digest: z.string(),
  answer: z.unknown(),
});

/** What an entry's text is read of becomes text and then values. */
const bytesPerTextByte = 3;
/** So long an entry is read however little memory there is. */
const uncountedTextBytes = 16 * 1024;

/** An answer as an entry's text; undefined where it is too long to be kept. */
export function entryText<Whole>(
  storage: Storage<Whole>,
  owner: Owner,
  answer: Whole,
  maxBytes = maxEntryBytes,
): string | undefined {
  const text = JSON.stringify({ version: schemaVersion, ...owner, answer: storage.toJson(answer) });
  // A character has one byte at least and three at most, so most texts need no counting.
  if (text.length * 3 <= maxBytes) return text;
  if (text.length > maxBytes) return undefined;
  return new TextEncoder().encode(text).length <= maxBytes ? text : undefined;
}

/** An entry's text as it is stored. */
export const encodeEntry = pack;

/** What a stored entry says: whose it is, and its answer as JSON. */
export interface StoredEntry extends Owner {
  readonly answer?: unknown;
  /** How long its text is, in UTF-16 units. */
  readonly textUnits: number;
}

/**
 * The entry in stored bytes; undefined where they are corrupt, too large, of another schema version, tenant or request. Throws
 * a `GatewayError` `overloaded` where there is no memory to read it.
 */
export async function decodeEntry(
  { tenant, digest }: Pick<Owner, "tenant" | "digest">,
  bytes: Uint8Array,
  memory: Share,
  maxBytes = maxEntryBytes,
): Promise<StoredEntry | undefined> {
  const textBytes = unpackedBytes(bytes);
  if (textBytes > maxBytes) return undefined;
  const heldBytes = textBytes > uncountedTextBytes ? bytesPerTextByte * textBytes : 0;
  memory.take(heldBytes);
  let text: string | undefined;
  let value: unknown;
  try {
    text = await unpack(bytes, maxBytes);
    value = text === undefined ? undefined : valueIn(text);
  } finally {
    memory.take(-heldBytes);
  }
  if (text === undefined) return undefined;
  const entry = entrySchema.safeParse(value).data;
  if (!entry || entry.tenant !== tenant || entry.digest !== digest) return undefined;
  return { ...entry, textUnits: text.length };
}

export interface StoredAnswer<Whole> {
  readonly answer: Whole;
  readonly textUnits: number;
}

/** The answer in stored bytes; undefined as above, or where it is of another operation. */
export async function decodeAnswer<Whole>(
  storage: Storage<Whole>,
  owner: Owner,
  bytes: Uint8Array,
  memory: Share,
  maxBytes = maxEntryBytes,
): Promise<StoredAnswer<Whole> | undefined> {
  const entry = await decodeEntry(owner, bytes, memory, maxBytes);
  const answer = entry?.operation === owner.operation ? storage.fromJson(entry.answer) : undefined;
  return entry && answer && { answer, textUnits: entry.textUnits };
}

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
