import canonicalize from "canonicalize";
import type { Caller } from "../../caller.ts";
import type { Operation, WholeAnswer } from "../../operation.ts";
import { createMemory } from "./memory.ts";

/** Raised whenever the meaning of a key or the form of an entry changes, so that older entries are never read as newer ones. */
export const schemaVersion = 4;

/**
 * From caller and request to a digest; two requests share it only when tenant, operation and meaning are the same. Of a
 * request with `noStore` nothing is remembered.
 */
export type KeyOf<Request> = (
  caller: Caller,
  request: Request,
  asked?: { readonly noStore: boolean },
) => Promise<string>;

/** All requests whose digests an isolate remembers, in UTF-16 units. */
const maxKnownUnits = 1024 * 1024;
/** As long as their answers. */
const knownForMs = 60_000;

/** The keys of an operation's answers. */
export function keyOf<Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  digest: Digest,
): KeyOf<Request> {
  // By JSON, which is much sooner written than canonical JSON and its digest: who asks again spells it in the same way.
  const known = createMemory<string>({ maxSize: maxKnownUnits, ttlMs: knownForMs });
  return async (caller, request, asked) => {
    const value = [schemaVersion, caller.tenant, operation.name, operation.meaning(request, caller)];
    if (asked?.noStore) return await digest(value);
    const text = JSON.stringify(value);
    const remembered = known.get(text);
    if (remembered !== undefined) return remembered;
    const key = await digest(value);
    known.put(text, key, text.length);
    return key;
  };
}

/** 43 characters for a value: SHA-256, or HMAC-SHA-256 where a secret is given, over its canonical JSON (RFC 8785), in base64url. */
export type Digest = (value: unknown) => Promise<string>;

/** A digest, with a secret or without. */
export function digestWith(secret: string | undefined): Digest {
  const digest = secret === undefined ? sha256 : hmacSha256(secret);
  const encoder = new TextEncoder();
  return async (value) => {
    const bytes = new Uint8Array(await digest(encoder.encode(canonicalize(value))));
    return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  };
}

type DigestBytes = (bytes: Uint8Array) => Promise<ArrayBuffer>;

const sha256: DigestBytes = (bytes) => crypto.subtle.digest("SHA-256", bytes);

/** So that a dump of the store cannot be searched for known prompts. */
function hmacSha256(secret: string): DigestBytes {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  let key: CryptoKey | undefined;
  return async (bytes) => {
    key ??= await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["sign"]);
    return crypto.subtle.sign(algorithm, key, bytes);
  };
}
