import type { Surface } from "../surface.ts";
import type { TypicalError } from "./errors.ts";
import { answerHeaderNames, cacheHeaderNames, headerRefs, limitHeaderNames, requestHeaderRefs } from "./headers.ts";
import { type JsonSchema, ref } from "./schemas.ts";

/** How a surface describes itself, beside its code and for `dev/openapi.ts`; the worker holds nothing of it. */
export interface Description {
  readonly tag: string;
  /** What the tag says; left out where another description says it. */
  readonly about?: string;
  /** Whose errors its routes end in, and the schema of those. */
  readonly errors?: { readonly surface: Surface; readonly schemaName: string };
  /** By method and path: `GET /v1/models`. */
  readonly routes: Readonly<Record<string, Route>>;
  readonly schemas: Readonly<Record<string, JsonSchema>>;
}

export interface Route {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly answer: Content;
  readonly answerHeaders?: readonly string[];
  /** All that it can end in besides: errors in the surface's form, and other answers by status. */
  readonly errors: readonly TypicalError[];
  /** Those of them that a provider or the cache can have had a part in. */
  readonly comeOfAsking?: readonly TypicalError[];
  /** Whether the cache never has a part in it. */
  readonly isNeverCached?: true;
  /** Those of them that come after a caller's limits were asked for. */
  readonly comeOfLimits?: readonly TypicalError[];
  readonly others?: Readonly<Record<number, object>>;
}

/** Bodies by media type. */
type Content = Readonly<Record<string, object>>;

/** JSON of a schema under the document's `components`. */
export function json(schemaName: string, example?: unknown): Content {
  return { "application/json": { schema: ref(schemaName), example } };
}

/** Server-sent events; JSON Schema has no words for them. */
export function eventStream(description: string, example: string): Content {
  return { "text/event-stream": { schema: { type: "string", description }, example } };
}

/** A body that must be there, with examples by name. */
export function requestBody(schema: JsonSchema, examples: Readonly<Record<string, unknown>>) {
  const values = Object.entries(examples).map(([name, value]) => [name, { value }]);
  return { required: true, content: { "application/json": { schema, examples: Object.fromEntries(values) } } };
}

/** The members of a URL's query, with examples by name. */
export function queryParameters(
  { properties = {}, required = [] }: JsonSchema,
  examples: Readonly<Record<string, unknown>>,
) {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
    example: examples[name],
  }));
}

/** The id that a path ends in. */
export const idParameter = { name: "id", in: "path", required: true, schema: { type: "string" } };

/** How the bodies of the platform's clients are read. */
export const tolerant = "Members that are not known are left alone, and null is the same as absent.";

/** A response with these headers, by name. */
export function response(description: string, content: Content, headers: readonly string[] = ["x-request-id"]) {
  return { description, headers: headerRefs(headers), content };
}

/** A route that everybody may ask, and what it says where it cannot serve. */
export function open({ unavailable, ...route }: OpenRoute): Route {
  const others = unavailable && { 503: response("Unavailable.", unavailable, route.answerHeaders) };
  return { ...route, security: [], errors: [], others };
}

interface OpenRoute extends Pick<Route, "operationId" | "summary" | "answer" | "answerHeaders"> {
  readonly unavailable?: Content;
}

/** What can become of any request, and of one with a body. */
export const anyErrors: readonly TypicalError[] = [
  "unauthenticated",
  "token_expired",
  "permission_denied",
  "key_registry_unavailable",
  "overloaded",
  "config_error",
  "loop_detected",
];
export const bodyErrors = [
  ...anyErrors,
  "invalid_request",
  "request_timeout",
  "payload_too_large",
  "unsupported_media_type",
] as const;

/** What a provider's failure can become. */
const providerErrors = [
  "not_found",
  "rate_limited",
  "upstream_bad_response",
  "upstream_auth",
  "upstream_unavailable",
  "deadline_exceeded",
] as const;

/** What a caller's limits can become. */
const limitErrors = ["quota_exceeded", "quota_exhausted", "quota_suspended", "limits_unavailable"] as const;

/** What the routes that ask a provider have in common. */
export const asksProvider = {
  parameters: requestHeaderRefs("cache-control", "idempotency-key", "x-request-timeout-ms"),
  answerHeaders: [...answerHeaderNames, ...limitHeaderNames],
  errors: [...bodyErrors, "conflict", "internal", ...limitErrors, ...providerErrors],
  comeOfAsking: ["invalid_request", "loop_detected", ...providerErrors],
  comeOfLimits: [...limitErrors, "invalid_request", "conflict", "loop_detected", ...providerErrors],
} satisfies Partial<Route>;

/** The same for those whose answers are kept for nobody but him who asks again under his key. */
export const asksWithoutCache = {
  ...asksProvider,
  answerHeaders: asksProvider.answerHeaders.filter((name) => !cacheHeaderNames.includes(name)),
  isNeverCached: true,
} satisfies Partial<Route>;

/** The same for those that may stream. */
export const asksForStream = {
  ...asksProvider,
  parameters: [...asksProvider.parameters, ...requestHeaderRefs("x-qingyu-delivery")],
} satisfies Partial<Route>;

export const streaming = `A streamed answer's status and headers are sent with its first token, so everything before it still has
its proper status. A failure after it is the stream's last event, and then the body ends abnormally. Lines that begin with a colon keep the connection
alive.`;
