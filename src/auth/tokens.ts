import { decodeProtectedHeader } from "jose/decode/protected_header";
import { JWSSignatureVerificationFailed, JWTExpired } from "jose/errors";
import { jwtVerify } from "jose/jwt/verify";
import type { Caller, WaitUntil } from "../caller.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import { callerIn } from "./claims.ts";
import { createKeySet, type FetchKeys, type TokenHeader } from "./key-set.ts";

/** A token with more characters is none: nothing of it is decoded. */
const maxTokenLength = 8_192;
/** How far apart the issuer's clock and ours may be, in seconds. */
const leewaySeconds = 30;

/** How long a verified token is taken for what it was, within its own time. */
const rememberedForMs = 60_000;
const maxRemembered = 1_000;
const maxRememberedLength = 2_048;

/** What an issuer may sign with. The secret's algorithm and those of public keys never meet. */
const secretAlgorithm = "HS256";
const publicAlgorithms: readonly string[] = ["RS256", "ES256", "EdDSA"];
/** What a token may say that it is (RFC 8725, 3.11; RFC 9068, 2.1). */
const types: readonly unknown[] = [undefined, "JWT", "at+jwt", "application/at+jwt"];
/** Members that bring keys along, or ask for more than a signature. */
const refusedMembers = ["crit", "b64", "jku", "jwk", "x5u", "x5c"];

export interface Tokens {
  /** Whose token this is, where it was verified a short while ago. */
  known(token: string): Caller | undefined;
  /** Whose token this is. Throws `unauthenticated`, and `upstream_unavailable` where its key cannot be learned now. */
  verify(token: string, waitUntil: WaitUntil): Promise<Caller>;
}

/** Whether a credential is a token by its form, so that it is no key that was misspelled. */
export function isLikeToken(credential: string): boolean {
  return /^e[a-zA-Z0-9_-]+\./.test(credential);
}

/** Tokens of the platform (HS256 by a secret) or of any issuer that publishes its keys; undefined where the settings name neither. */
export function tokensOf(jwt: Config["auth"]["jwt"], fetch: FetchKeys): Tokens | undefined {
  const { jwksUrl, issuer, audience } = jwt;
  if (jwt.secret === undefined && jwksUrl === undefined) return undefined;
  let secretKey: CryptoKey | undefined;
  const keySet = jwksUrl === undefined ? undefined : createKeySet(jwksUrl, fetch);
  const remembered = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();
  const rules = { issuer, audience, clockTolerance: leewaySeconds, requiredClaims: ["exp"] };

  /** The keys that may have signed it, most often one. */
  async function keysFor(header: TokenHeader, waitUntil: WaitUntil): Promise<readonly CryptoKey[]> {
    const { alg } = header;
    if (alg === secretAlgorithm) {
      if (jwt.secret === undefined) return [];
      secretKey ??= await importSecret(jwt.secret);
      return [secretKey];
    }
    return keySet && publicAlgorithms.includes(alg) ? await keySet.keysFor(header, waitUntil) : [];
  }

  /** What a token claims, and whether its time is over; undefined where this key has not signed it. Throws where it is not right. */
  async function claimsBy(key: CryptoKey, token: string, { alg }: TokenHeader) {
    try {
      const { payload } = await jwtVerify(token, key, { algorithms: [alg], ...rules });
      return { payload, isExpired: false };
    } catch (error) {
      if (error instanceof JWSSignatureVerificationFailed) return undefined;
      if (error instanceof JWTExpired) return { payload: error.payload, isExpired: true };
      throw error;
    }
  }

  /** Undefined where a token is not right. Throws a `GatewayError` where it was, or where that cannot be said. */
  async function callerOf(token: string, waitUntil: WaitUntil): Promise<Caller | undefined> {
    const header = headerOf(token);
    if (!header) return undefined;
    for (const key of await keysFor(header, waitUntil)) {
      const claims = await claimsBy(key, token, header);
      if (!claims) continue;
      const found = callerIn(claims.payload, jwt);
      if (found && claims.isExpired)
        throw new GatewayError("unauthenticated", "The token has expired.", { code: "token_expired" });
      if (found) remember(token, found.caller, found.expiresAtMs + 1000 * leewaySeconds);
      return found?.caller;
    }
    return undefined;
  }

  function remember(token: string, caller: Caller, endsMs: number): void {
    if (token.length > maxRememberedLength) return;
    const [oldest] = remembered.keys();
    if (oldest !== undefined && remembered.size >= maxRemembered) remembered.delete(oldest);
    remembered.set(token, { caller, untilMs: Math.min(endsMs, Date.now() + rememberedForMs) });
  }

  return {
    known(token) {
      const found = remembered.get(token);
      if (!found || Date.now() < found.untilMs) return found?.caller;
      remembered.delete(token);
      return undefined;
    },
    async verify(token, waitUntil) {
      let caller: Caller | undefined;
      try {
        caller = await callerOf(token, waitUntil);
      } catch (error) {
        // What else is thrown tells how a token is not right, which is nobody's business.
        if (error instanceof GatewayError) throw error;
      }
      if (!caller) throw new GatewayError("unauthenticated", "The token is not valid.", { code: "invalid_token" });
      return caller;
    },
  };
}

function importSecret(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["verify"]);
}

/** What a token says of its signature; undefined where that is nothing to look for a key by. */
function headerOf(token: string): TokenHeader | undefined {
  if (token.length > maxTokenLength) return undefined;
  const header = decodeProtectedHeader(token);
  const { alg, kid, typ } = header;
  if (typeof alg !== "string" || (kid !== undefined && typeof kid !== "string")) return undefined;
  if (!types.includes(typ) || refusedMembers.some((name) => Object.hasOwn(header, name))) return undefined;
  return { alg, kid };
}
