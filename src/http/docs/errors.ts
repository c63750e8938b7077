import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { type ErrorKind, errorKinds, GatewayError } from "../../errors.ts";
import { toConnectError } from "../connect/error.ts";
import { envelopes, openAiError, qingyuError, retryHeaders } from "../envelopes.ts";
import { example } from "./examples.ts";
import { headerRefs } from "./headers.ts";
import { ref, type SchemaName } from "./schemas.ts";

/** What each kind means, and the code and field of a typical error of it. */
const meanings: Readonly<Record<ErrorKind, readonly [message: string, code?: string, param?: string]>> = {
  invalid_request: ["A field is missing, unknown or out of range.", "invalid_value", "temperature"],
  unauthenticated: ["The API key is missing or not known.", "invalid_api_key"],
  permission_denied: ["The API key may not do this."],
  not_found: ["The model does not exist or is not offered here.", "model_not_found", "model"],
  method_not_allowed: ["The path does not have this method."],
  conflict: ["The idempotency key stands for another request.", "idempotency_key_reused", "idempotency-key"],
  payload_too_large: ["The body or the prompt is larger than allowed."],
  unsupported_media_type: ["The body is not JSON."],
  rate_limited: ["Too many requests in too short a time."],
  quota_exceeded: ["The quota is used up."],
  cancelled: ["The caller left."],
  internal: ["The gateway failed.", "internal_error"],
  upstream_bad_response: ["The AI provider's answer could not be used."],
  upstream_auth: ["The AI provider refused the gateway's own credential."],
  upstream_unavailable: ["No AI provider could be reached."],
  config_error: ["The gateway is not configured; /health/ready says what is wrong."],
  deadline_exceeded: ["The AI provider did not answer in time.", "upstream_timeout"],
};

/** How a surface tells an error. */
export interface ErrorSurface {
  readonly schema: SchemaName;
  readonly status: (error: GatewayError) => number;
  readonly body: (error: GatewayError) => unknown;
}

export const openAiErrors: ErrorSurface = {
  schema: "OpenAiError",
  status: ({ kind }) => envelopes[kind].status,
  body: (error) => openAiError(error, example.requestId),
};

export const qingyuErrors: ErrorSurface = {
  schema: "QingyuError",
  status: ({ kind }) => envelopes[kind].status,
  body: (error) => qingyuError(error, example.requestId, example.createdAtMs),
};

export const connectErrors: ErrorSurface = {
  schema: "ConnectError",
  status: (error) => codeToHttpStatus(toConnectError(error).code),
  body: (error) => errorToJson(toConnectError(error), undefined),
};

/** One response per status that these kinds have on this surface. Nobody is left to see `cancelled`. */
export function errorResponses({ schema, status, body }: ErrorSurface, kinds: readonly ErrorKind[] = errorKinds) {
  const errors = kinds.filter((kind) => kind !== "cancelled").map(typicalError);
  return Object.fromEntries(
    [...Map.groupBy(errors, status)].map(([status, alike]) => [
      status,
      {
        description: alike.map(({ kind, message }) => `\`${kind}\`: ${message}`).join("\n\n"),
        headers: headerRefs(["x-request-id", ...alike.flatMap(ownHeaders)]),
        content: {
          "application/json": {
            schema: ref(schema),
            examples: Object.fromEntries(alike.map((error) => [error.kind, { value: body(error) }])),
          },
        },
      },
    ]),
  );
}

function typicalError(kind: ErrorKind): GatewayError {
  const [message, code, param] = meanings[kind];
  return new GatewayError(kind, message, { code, param });
}

/** The headers that only an error of this kind has. */
function ownHeaders(error: GatewayError): string[] {
  const headers = Object.keys(retryHeaders(error));
  if (error.kind === "unauthenticated") headers.push("www-authenticate");
  if (error.kind === "method_not_allowed") headers.push("allow");
  return headers;
}
