/** Without examples, which swagger-ui would send. */
const requestHeaders: Readonly<Record<string, string>> = {
  "cache-control":
    "What the cache may do (RFC 9111, RFC 5861): `no-store` (neither read nor written), `no-cache` (a fresh answer, which is kept), `max-age`, `max-stale`, `only-if-cached` (else 504 `cache_miss`), `stale-if-error`, `stale-while-revalidate`.",
  "idempotency-key":
    "1 to 255 visible ASCII characters: asked again under the same key within a day, the same request gets the same answer.",
  "x-qingyu-delivery":
    "How a stream is handed out: `live` (as it comes) or `atomic` (held back until it is complete, so that every failure can fall back unseen).",
  "x-request-id": "Taken over as the request's id where it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else replaced.",
  "x-request-timeout-ms":
    "The longest that the whole request may take, in milliseconds; it can only shorten the gateway's own limit.",
  traceparent: "The caller's trace (W3C Trace Context), which the gateway continues.",
};

const responseHeaders: Readonly<Record<string, readonly [description: string, example: string]>> = {
  "x-request-id": ["The request's id; quote it when you report a problem.", "chapter-12-draft-3"],
  "x-qingyu-provider": ["Who answered, also where the answer was cached.", "openai"],
  "x-qingyu-attempts": ["Who was asked, in order, and how it went.", "ai-service:unavailable, openai:ok"],
  "idempotent-replayed": ["`true` where an earlier request with the same idempotency key was answered so.", "true"],
  "cache-status": ["What the cache did (RFC 9211).", "QingyuGateway; hit; ttl=3412"],
  "x-cache": ["The same in a word: HIT, MISS, STALE, BYPASS or COALESCED (another request's call answered).", "HIT"],
  age: ["How old a cached answer is, in seconds.", "188"],
  "server-timing": [
    "Where the time went, in milliseconds: the cache, each attempt, the gateway itself.",
    "cache;dur=3, openai;dur=812, gateway;dur=2",
  ],
  "cache-control": ["Nobody else may keep the answer.", "private, no-store"],
  "retry-after": ["When asking again can help, in seconds.", "1"],
  "retry-after-ms": ["The same in milliseconds.", "1000"],
  "x-should-retry": ["`false` where asking again cannot help.", "false"],
  "www-authenticate": ["How to authenticate.", "Bearer"],
  allow: ["The methods that the path has.", "POST"],
};

/** The headers of a generation's answer. */
export const answerHeaderNames = [
  "x-request-id",
  "x-qingyu-provider",
  "x-qingyu-attempts",
  "idempotent-replayed",
  "cache-status",
  "x-cache",
  "age",
  "server-timing",
  "cache-control",
];

/** OpenAPI's `components.parameters` and `components.headers`. */
export const headerComponents = {
  parameters: Object.fromEntries(
    Object.entries(requestHeaders).map(([name, description]) => [
      name,
      { name, in: "header", description, schema: { type: "string" } },
    ]),
  ),
  headers: Object.fromEntries(
    Object.entries(responseHeaders).map(([name, [description, example]]) => [
      name,
      { description, schema: { type: "string" }, example },
    ]),
  ),
};

/** Parameters that every generation takes. */
export const requestHeaderRefs = Object.keys(requestHeaders).map((name) => ({
  $ref: `#/components/parameters/${name}`,
}));

export function headerRefs(names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
