import { GatewayError, modelNotFound } from "../../errors.ts";
import { invalidValue } from "../invalid.ts";
import type { Surface } from "../surface.ts";
import type { Route } from "./description.ts";
import { requestId } from "./examples.ts";
import { askedHeaderNames, cacheHeaderNames, errorHeaderNames, headerRefs, limitHeaderNames } from "./headers.ts";
import { ref } from "./schemas.ts";

/** A typical error of each kind that a described route can end in. */
const typicalErrors = {
  invalid_request: invalidValue("stop[0]", "{field} must be at most {most} characters long.", { most: 1024 }),
  unauthenticated: new GatewayError("unauthenticated", "The API key is not known.", { code: "invalid_api_key" }),
  token_expired: new GatewayError("unauthenticated", "The token has expired.", { code: "token_expired" }),
  permission_denied: new GatewayError("permission_denied", "This takes a token of this tenant with the role 'admin'."),
  not_found: modelNotFound("model"),
  conflict: new GatewayError("conflict", "The header 'idempotency-key' stands for another request already.", {
    code: "idempotency_key_reused",
    param: "idempotency-key",
  }),
  key_not_found: new GatewayError("not_found", "There is no key with this id.", { code: "key_not_found", param: "id" }),
  key_inactive: new GatewayError("conflict", "The key has expired or was revoked; make another one.", {
    code: "key_inactive",
    param: "id",
  }),
  too_many_keys: new GatewayError("conflict", "There are as many keys as there may be; revoke one first.", {
    code: "too_many_keys",
  }),
  key_registry_unavailable: new GatewayError("upstream_unavailable", "The registry of keys does not answer now.", {
    code: "key_registry_unavailable",
  }),
  request_timeout: new GatewayError("request_timeout", "The request's body did not come in time."),
  payload_too_large: new GatewayError(
    "payload_too_large",
    "The body is larger than {most} bytes (limits.body_bytes).",
    {
      values: { most: 4_194_304 },
    },
  ),
  unsupported_media_type: new GatewayError("unsupported_media_type", "Send JSON as 'content-type: application/json'.", {
    param: "content-type",
  }),
  rate_limited: new GatewayError("rate_limited", "The AI provider is at its limit.", { code: "rate_limit_exceeded" }),
  quota_exceeded: new GatewayError(
    "quota_exceeded",
    "What you may spend in this month is used up, or does not suffice for this request.",
    {
      code: "insufficient_quota",
      retryAfterMs: 86_400_000,
    },
  ),
  quota_exhausted: new GatewayError("quota_exhausted", "Your quota is used up.", {
    code: "insufficient_quota",
    retryAfterMs: 3_600_000,
  }),
  quota_suspended: new GatewayError("quota_suspended", "Your quota is suspended.", { code: "quota_suspended" }),
  limits_unavailable: new GatewayError(
    "upstream_unavailable",
    "The limits that hold for you cannot be asked for now.",
    {
      code: "limits_unavailable",
    },
  ),
  internal: new GatewayError("internal", "The gateway failed.", { code: "internal_error" }),
  upstream_bad_response: new GatewayError("upstream_bad_response", "The AI provider's answer could not be understood."),
  upstream_auth: new GatewayError("upstream_auth", "The gateway could not authenticate with the AI provider."),
  upstream_unavailable: new GatewayError("upstream_unavailable", "The AI provider could not be reached."),
  overloaded: new GatewayError("overloaded", "The gateway holds as much as it can for requests in flight."),
  session_not_found: new GatewayError("not_found", "There is no session with this id.", {
    code: "session_not_found",
    param: "sessionId",
  }),
  chats_unavailable: new GatewayError("upstream_unavailable", "The chats do not answer now.", {
    code: "chats_unavailable",
  }),
  cache_unavailable: new GatewayError("upstream_unavailable", "The cache could not be purged.", {
    code: "cache_unavailable",
  }),
  ledger_unavailable: new GatewayError("upstream_unavailable", "The ledger does not answer now.", {
    code: "ledger_unavailable",
  }),
  result_not_found: new GatewayError(
    "not_found",
    "There is no result with this id, or none of yours, or it has expired.",
    { code: "result_not_found", param: "id" },
  ),
  results_unavailable: new GatewayError("upstream_unavailable", "What was kept cannot be asked for now.", {
    code: "results_unavailable",
  }),
  config_error: new GatewayError(
    "config_error",
    "The setting {setting} {reason}; /health/ready says all that is wrong.",
    {
      values: {
        setting: "auth.api_keys (QINGYU_AUTH_API_KEYS, GATEWAY_API_KEYS)",
        reason: "is required outside development",
      },
    },
  ),
  loop_detected: new GatewayError(
    "loop_detected",
    "The request came back to this gateway: its providers lead to itself.",
  ),
  deadline_exceeded: new GatewayError("deadline_exceeded", "The AI provider did not answer in time.", {
    code: "upstream_timeout",
  }),
};
export type TypicalError = keyof typeof typicalErrors;

/** What else of its kind an error stands for. */
const meanings: Partial<Record<TypicalError, string>> = {
  invalid_request: "A field is missing, unknown or out of range.",
  unauthenticated: "The API key is missing or not known.",
  permission_denied: "The key or the token's user may not do this.",
  payload_too_large: "The body or the prompt is larger than allowed.",
  unsupported_media_type: "The body is no JSON, or compressed and not by gzip.",
  upstream_bad_response: "The AI provider's answer could not be used.",
};

/** One response for each status that these errors have on a surface, with each of them as an example. */
export async function errorResponses(
  surface: Surface,
  schemaName: string,
  {
    errors: names,
    comeOfAsking = [],
    comeOfLimits = [],
    isNeverCached,
  }: Pick<Route, "errors" | "comeOfAsking" | "comeOfLimits" | "isNeverCached">,
) {
  const asked = askedHeaderNames.filter((name) => !isNeverCached || !cacheHeaderNames.includes(name));
  const errors = names.map(async (name) => {
    const response = surface.errorResponse(typicalErrors[name], { request: new Request("http://gateway"), requestId });
    const headers = [...response.headers.keys()].filter((header) => header !== "content-type");
    if (typicalErrors[name].kind === "unauthenticated") headers.push("www-authenticate");
    if (response.headers.has("content-language")) headers.push("vary");
    if (name === "unsupported_media_type") headers.push("accept-encoding");
    if (comeOfAsking.includes(name)) headers.push(...asked, "x-should-retry");
    if (comeOfLimits.includes(name)) headers.push(...limitHeaderNames);
    return { name, status: response.status, headers, example: { value: await response.json() } };
  });
  const byStatus = Map.groupBy(await Promise.all(errors), ({ status }) => status);
  const responses = [...byStatus].map(([status, alike]) => {
    const examples = Object.fromEntries(alike.map(({ name, example }) => [name, example]));
    const description = alike
      .map(({ name }) => `\`${name}\`: ${meanings[name] ?? typicalErrors[name].message}`)
      .join("\n\n");
    const headers = headerRefs([...errorHeaderNames, ...alike.flatMap(({ headers }) => headers)]);
    const content = { "application/json": { schema: ref(schemaName), examples } };
    return [status, { description, headers, content }] as const;
  });
  return Object.fromEntries(responses);
}
