import type { JsonSchema } from "./schemas.ts";

const text: JsonSchema = { type: "string" };
const count: JsonSchema = { type: "integer", minimum: 0 };
/** A header that is there with one value or not at all. */
const only = (value: boolean): JsonSchema => ({ type: "boolean", const: value });

/** Without examples, which swagger-ui would send. */
const requestHeaders = {
  "accept-language": [
    "What `message` is to be read in: Chinese, unless English is preferred.",
    { type: "string", examples: ["zh-CN, en;q=0.8"] },
  ],
  "cache-control": [
    "What the cache may do (RFC 9111, RFC 5861): `no-store` (neither read nor written), `no-cache` (a fresh answer, which is kept), `max-age`, `max-stale`, `only-if-cached` (else 504 `cache_miss`), `stale-if-error`, `stale-while-revalidate`.",
    text,
  ],
  "idempotency-key": [
    "Asked again under the same key within a day, the same request gets the same answer.",
    { type: "string", pattern: "^[!-~]{1,255}$" },
  ],
  "x-qingyu-delivery": [
    "How a stream is handed out: as it comes, or held back until it is complete, so that every failure can fall back unseen.",
    { type: "string", enum: ["live", "atomic"] },
  ],
  "x-request-id": ["Taken over as the request's id where it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else replaced.", text],
  "x-request-timeout-ms": [
    "The longest that the whole request may take, in milliseconds; it can only shorten the gateway's own limit.",
    { type: "integer", minimum: 1, maximum: 999_999_999 },
  ],
  traceparent: ["The caller's trace (W3C Trace Context), which the gateway continues.", text],
  "connect-timeout-ms": [
    "The longest that the call may take, in milliseconds, as Connect's clients say it (gRPC-Web's say `grpc-timeout`).",
    { type: "integer", minimum: 0, maximum: 9_999_999_999 },
  ],
} satisfies Readonly<Record<string, readonly [description: string, schema: JsonSchema]>>;
type RequestHeader = keyof typeof requestHeaders;

type ResponseHeaders = Readonly<Record<string, readonly [description: string, example: unknown, schema: JsonSchema]>>;

const headersOfAnswers: ResponseHeaders = {
  "x-request-id": ["The request's id; quote it when you report a problem.", "chapter-12-draft-3", text],
  "x-qingyu-provider": ["Who answered, also where the answer was cached.", "openai", text],
  "x-qingyu-attempts": ["Who was asked, in order, and how it went.", "ai-service:unavailable, openai:ok", text],
  "idempotent-replayed": [
    "`true` where a request with the same idempotency key was answered so before.",
    true,
    only(true),
  ],
  "cache-status": ["What the cache did (RFC 9211).", "QingyuGateway; hit; ttl=3412", text],
  "x-cache": [
    "The same in a word; COALESCED: another request's call answered.",
    "HIT",
    { type: "string", enum: ["HIT", "MISS", "STALE", "BYPASS", "COALESCED"] },
  ],
  age: ["How old a cached answer is, in seconds.", 188, count],
  "server-timing": ["Where the time went, in milliseconds.", "cache;dur=3, openai;dur=812, gateway;dur=2", text],
  "cache-control": ["Nobody else may keep the answer.", "private, no-store", text],
};

/** Of answers that are told in what their reader reads. */
const languageHeaders: ResponseHeaders = {
  vary: ["What else than the URL an answer depends on.", "accept-language", text],
};

/** Of answers to requests that have parameters which may be left out. */
const omittedHeader: ResponseHeaders = {
  "x-qingyu-omitted": [
    "The parameters that whoever answered does not have and was not sent, since the answer answers the same question without them.",
    "store, metadata",
    text,
  ],
};

/** Of answers to callers who have limits, each three where there is such a limit. */
const limitHeaders: ResponseHeaders = {
  "x-ratelimit-limit-requests": ["How many requests you may send within a minute.", 600, count],
  "x-ratelimit-remaining-requests": ["How many of them are left.", 599, count],
  "x-ratelimit-reset-requests": ["When all of them are there again.", "1m0s", text],
  "x-ratelimit-limit-tokens": [
    "How many tokens you may take, by the day unless your quota is another one.",
    100_000,
    count,
  ],
  "x-ratelimit-remaining-tokens": ["How many are left, without those that requests under way may take.", 98_500, count],
  "x-ratelimit-reset-tokens": ["When all of them are there again.", "13h2m0s", text],
};

const headersOfErrors: ResponseHeaders = {
  "content-language": ["What `message` is written in.", "zh", { type: "string", enum: ["zh", "en"] }],
  "retry-after": ["When asking again can help, in seconds.", 1, count],
  "retry-after-ms": ["The same in milliseconds.", 1000, count],
  "x-should-retry": ["`false` where asking again cannot help.", false, only(false)],
  "www-authenticate": ["How to authenticate, and that what was sent does not.", 'Bearer error="invalid_token"', text],
  "accept-encoding": ["Where the body's `content-encoding` was not taken: the one that is.", "gzip", text],
};

/** OpenAPI's `components.parameters` and `components.headers`. */
export const headerComponents = {
  parameters: mapped(requestHeaders, ([description, schema], name) => ({ name, in: "header", description, schema })),
  headers: mapped(
    { ...headersOfAnswers, ...languageHeaders, ...omittedHeader, ...limitHeaders, ...headersOfErrors },
    ([description, example, schema]) => ({
      description,
      schema,
      example,
    }),
  ),
};

export const answerHeaderNames = Object.keys(headersOfAnswers);
/** Those of them that tell of the cache. */
export const cacheHeaderNames = ["cache-status", "x-cache", "age"];
export const limitHeaderNames = Object.keys(limitHeaders);
export const omittedHeaderNames = Object.keys(omittedHeader);

/** What every error of a surface has; and what it has too where a provider was asked, or the cache. */
export const errorHeaderNames = ["x-request-id", "cache-control", "server-timing"];
export const askedHeaderNames = ["x-qingyu-attempts", "cache-status", "x-cache"];

/** What errors say of asking again, and of keys. */
export const refusalHeaderNames = ["retry-after", "retry-after-ms", "x-should-retry", "www-authenticate"];

/** References to request headers under the document's `components`. */
export function requestHeaderRefs(...names: readonly RequestHeader[]) {
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

/** References to headers under the document's `components`. */
export function headerRefs(names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function mapped<T>(members: Readonly<Record<string, T>>, map: (member: T, name: string) => object) {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, map(member, name)]));
}
