import canonicalize from "canonicalize";
import type { GenerationDefaults, GenerationRequest } from "../generation.ts";

/** Raised whenever the meaning of a key or the form of an entry changes, so that older entries are never read as newer ones. */
export const schemaVersion = 3;

export interface KeyOptions {
  readonly defaults: GenerationDefaults;
  /** `user`: callers of one tenant share entries only where they name the same end user. */
  readonly scope: "tenant" | "user";
  /** Turns the digest into an HMAC, so that a dump of the store cannot be searched for known prompts. */
  readonly secret?: string;
}

/** From tenant and request to a digest; two requests share it only when tenant and meaning are the same. */
export type KeyOf = (tenant: string, request: GenerationRequest) => Promise<string>;

/**
 * Each field of a request, as it stands in the key. A field that is added to `GenerationRequest` does not compile until it
 * is classified here.
 */
function meaning(
  request: GenerationRequest,
  { defaults, scope }: KeyOptions,
): Record<keyof GenerationRequest, unknown> {
  return {
    projectId: request.projectId,
    chapterId: request.chapterId,
    user: scope === "user" ? request.user : undefined,
    // A caller who names no model gets the AI service's own, and the default only of other providers: that is no request for
    // the default by its name.
    model: request.model ?? [defaults.model],
    messages: request.messages,
    maxTokens: request.maxTokens ?? defaults.maxTokens,
    temperature: request.temperature ?? defaults.temperature,
    topP: request.topP,
    stop: request.stop,
    seed: request.seed,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
    responseFormat: request.responseFormat,
    extra: request.extra,
  };
}

/** The digest over version, tenant, operation and the request's meaning. */
export function keyOf(options: KeyOptions): KeyOf {
  const digest = digestWith(options.secret);
  return async (tenant, request) => {
    return await digest([schemaVersion, tenant, "generate", meaning(request, options)]);
  };
}

/** 43 characters for a value: SHA-256, or HMAC-SHA-256 where a secret is given, over its canonical JSON (RFC 8785), in base64url. */
export type Digest = (value: unknown) => Promise<string>;

export function digestWith(secret: string | undefined): Digest {
  const digest = secret === undefined ? sha256 : hmacSha256(secret);
  return async (value) => {
    const bytes = new Uint8Array(await digest(new TextEncoder().encode(canonicalize(value))));
    return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  };
}

type DigestBytes = (bytes: Uint8Array) => Promise<ArrayBuffer>;

const sha256: DigestBytes = (bytes) => crypto.subtle.digest("SHA-256", bytes);

function hmacSha256(secret: string): DigestBytes {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  let key: CryptoKey | undefined;
  return async (bytes) => {
    key ??= await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["sign"]);
    return crypto.subtle.sign(algorithm, key, bytes);
  };
}
