/** What signs the platform's tokens in tests. */
export const secret = "the platform's secret of 32 bytes";

/** A key that an issuer signs with: HMAC's, or the private half of a pair. */
export interface Signer {
  readonly alg: string;
  readonly key: CryptoKey;
}

export interface TokenParts {
  readonly header?: Readonly<Record<string, unknown>>;
  /** On top of good ones; undefined takes one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly signer?: Signer;
}

const signings: Readonly<Record<string, SubtleCryptoSignAlgorithm>> = {
  HS256: { name: "HMAC" },
  RS256: { name: "RSASSA-PKCS1-v1_5" },
  ES256: { name: "ECDSA", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};

export const unixSeconds = () => Math.floor(Date.now() / 1000);

/** The claims of one of the platform's access tokens. */
export const goodClaims = () => ({
  user_id: "u-1",
  username: "羽",
  roles: ["reader"],
  token_type: "access",
  iss: "qingyu",
  sub: "u-1",
  iat: unixSeconds() - 60,
  nbf: unixSeconds() - 60,
  exp: unixSeconds() + 3_600,
});

/** A token in its compact form, signed whatever it says. */
export async function signed({ header, claims, signer }: TokenParts = {}): Promise<string> {
  const { alg, key } = signer ?? (await hmac(secret));
  return await signedText(
    JSON.stringify({ alg, typ: "JWT", ...header }),
    JSON.stringify({ ...goodClaims(), ...claims }),
    { alg, key },
  );
}

/** A token of a header and a payload that may be no JSON. */
export async function signedText(header: string, payload: string, { alg, key }: Signer): Promise<string> {
  const text = `${base64url(header)}.${base64url(payload)}`;
  const algorithm = signings[alg];
  if (!algorithm) throw new Error(`nothing here signs ${alg}`);
  const signature = await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(text));
  return `${text}.${base64url(new Uint8Array(signature))}`;
}

export async function hmac(key: string | Uint8Array): Promise<Signer> {
  const bytes = typeof key === "string" ? new TextEncoder().encode(key) : key;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return { alg: "HS256", key: await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]) };
}

/** A pair of keys: what signs, and what its issuer publishes under this id. */
export async function keyPair(alg: "RS256" | "ES256" | "EdDSA", kid?: string) {
  const pair = await crypto.subtle.generateKey(generations[alg], true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new Error(`${alg} has no pairs`);
  const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
  if (jwk instanceof ArrayBuffer) throw new Error("a JWK is no bytes");
  return { signer: { alg, key: pair.privateKey }, jwk: { ...jwk, kid, use: "sig" }, pair };
}

const generations = {
  RS256: {
    name: "RSASSA-PKCS1-v1_5",
    hash: "SHA-256",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  EdDSA: { name: "Ed25519" },
} satisfies Record<string, SubtleCryptoGenerateKeyAlgorithm>;

export function base64url(content: string | Uint8Array): string {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
