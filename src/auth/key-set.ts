import { JWKSMultipleMatchingKeys, JWKSNoMatchingKey } from "jose/errors";
import { createLocalJWKSet } from "jose/jwks/local";
import * as z from "zod/mini";
import { readText } from "../body.ts";
import type { WaitUntil } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import { parseJson } from "../json.ts";
import { logWarning } from "../telemetry/log.ts";
import { settlesWithin } from "../waiting.ts";

/** `fetch` as the key set gets it. */
export type FetchKeys = (
  url: string,
  init: RequestInit & { readonly headers: Readonly<Record<string, string>> },
) => Promise<Response>;

/** What a token says of its signature. */
export interface TokenHeader {
  readonly alg: string;
  readonly kid?: string;
}

/** The key service is asked at most once in so long, whatever it answers and whichever keys are asked for. */
const lookEveryMs = 30_000;
/** Keys that are older are looked for again, behind the answers that they still serve. */
const freshForMs = 600_000;
/** How long the key service may take, from the question to the end of its answer. */
const lookLimitMs = 3_000;
const maxBytes = 64 * 1024;
/** So many keys are tried for a token that names none, and no more. */
const maxTried = 8;

/** Of a public key, what it takes to verify; what else there is, a private part above all, is left where it came from. */
const publicKey = z.object({
  kty: z.enum(["RSA", "EC", "OKP"]),
  kid: z.optional(z.string()),
  use: z.optional(z.string()),
  key_ops: z.optional(z.array(z.string())),
  alg: z.optional(z.string()),
  crv: z.optional(z.string()),
  x: z.optional(z.string()),
  y: z.optional(z.string()),
  n: z.optional(z.string()),
  e: z.optional(z.string()),
});
const setSchema = z.object({ keys: z.array(z.unknown()) });

export interface KeySet {
  /**
   * The public keys that may have signed a token with this header; none where there is none. Throws `upstream_unavailable`
   * where the key is not known and the key service does not answer.
   */
  keysFor(header: TokenHeader, waitUntil: WaitUntil): Promise<readonly CryptoKey[]>;
}

/** The keys that an issuer publishes (RFC 7517), each isolate's own copy. Keys once learned serve while their service is down. */
export function createKeySet(url: string, fetch: FetchKeys): KeySet {
  let keys: ReturnType<typeof createLocalJWKSet> | undefined;
  let learnedAtMs = 0;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  /** Whether the last look has come to nothing, or not to its end yet. */
  let isDown = false;
  let lookingUntilMs = 0;
  const waiting = new Set<() => void>();

  async function look(): Promise<void> {
    askedAtMs = Date.now();
    lookingUntilMs = askedAtMs + 2 * lookLimitMs;
    isDown = true;
    try {
      keys = createLocalJWKSet(await readKeys(url, fetch));
      learnedAtMs = askedAtMs;
      isDown = false;
    } catch {
      logWarning("key_service_failed", { setting: "auth.jwt.jwks_url" });
    }
    lookingUntilMs = 0;
    for (const wake of waiting) wake();
    waiting.clear();
  }

  /** Looks unless somebody has just done so. Where somebody else looks, waits for what he finds. */
  async function lookOnce(waitUntil: WaitUntil): Promise<void> {
    while (Date.now() < lookingUntilMs) {
      // A request may not wait for I/O that another one began, so each has a promise and a timer of its own.
      const woken = Promise.withResolvers<void>();
      waiting.add(woken.resolve);
      await settlesWithin(woken.promise, lookingUntilMs - Date.now());
    }
    if (Date.now() < askedAtMs + lookEveryMs) return;
    const looking = look();
    // Others wait for it, also where this caller leaves.
    waitUntil(looking);
    await looking;
  }

  async function matching(header: TokenHeader): Promise<readonly CryptoKey[]> {
    try {
      return keys ? [await keys({ ...header })] : [];
    } catch (error) {
      if (error instanceof JWKSMultipleMatchingKeys) return await firstOf(error);
      if (error instanceof JWKSNoMatchingKey) return [];
      throw error;
    }
  }

  return {
    async keysFor(header, waitUntil) {
      const known = await matching(header);
      if (known.length > 0) {
        const nowMs = Date.now();
        const isDue = nowMs >= learnedAtMs + freshForMs && nowMs >= askedAtMs + lookEveryMs;
        if (isDue) waitUntil(look());
        return known;
      }
      await lookOnce(waitUntil);
      const learned = await matching(header);
      if (learned.length > 0 || !isDown) return learned;
      throw new GatewayError("upstream_unavailable", "The keys that tokens are signed with cannot be read now.", {
        code: "key_service_unavailable",
        retryAfterMs: Math.max(1_000, askedAtMs + lookEveryMs - Date.now()),
      });
    },
  };
}

async function firstOf(candidates: AsyncIterable<CryptoKey>): Promise<readonly CryptoKey[]> {
  const first: CryptoKey[] = [];
  for await (const key of candidates) {
    first.push(key);
    if (first.length === maxTried) break;
  }
  return first;
}

/** The usable keys of a key set. Throws where there is none to be had in time. */
async function readKeys(url: string, fetch: FetchKeys): Promise<{ keys: z.infer<typeof publicKey>[] }> {
  const looking = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error("the key service is late"));
    looking.abort();
  }, lookLimitMs);
  const read = async () => {
    const response = await fetch(url, {
      headers: { accept: "application/json" },
      redirect: "manual",
      signal: looking.signal,
    });
    if (response.status !== 200) throw new Error("the key service refused");
    const { keys } = setSchema.parse(
      parseJson(await readText(response, { maxBytes, fault: (reason) => new Error(reason) })),
    );
    return { keys: keys.flatMap((key) => publicKey.safeParse(key).data ?? []) };
  };
  try {
    return await Promise.race([late.promise, read()]);
  } finally {
    clearTimeout(timer);
  }
}
