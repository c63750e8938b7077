import type { ErrorHandler } from "hono";
import { GatewayError } from "../errors.ts";
import type { RequestRecord } from "../record.ts";
import { answerHeaders } from "./answer-headers.ts";
import type { Walk } from "./call.ts";
import { connectErrorResponse, toConnectError } from "./connect/error.ts";
import { envelopes, openAiError, qingyuError, retryHeaders } from "./envelopes.ts";

/** The one road for errors: whatever was thrown becomes the envelope of the surface that was asked. */
export const answerError: ErrorHandler<Walk> = (thrown, c) => {
  const record = c.get("record");
  const error = tellable(thrown, record);
  const response = c.req.path.startsWith("/qingyu.ai.AIService/")
    ? connectErrorResponse(c.req.raw, toConnectError(error))
    : jsonError(error, c.req.path, record.requestId);
  for (const [name, value] of Object.entries(answerHeaders(record, Date.now()))) response.headers.set(name, value);
  if (error.kind === "unauthenticated") response.headers.set("www-authenticate", "Bearer");
  if (error.allow) response.headers.set("allow", error.allow.join(", "));
  return response;
};

function jsonError(error: GatewayError, path: string, requestId: string): Response {
  const body = path.startsWith("/api/") ? qingyuError(error, requestId, Date.now()) : openAiError(error, requestId);
  return Response.json(body, { status: envelopes[error.kind].status, headers: retryHeaders(error) });
}

/** The error as a caller may hear of it; anything unforeseen is `internal`. Writes down what it was. */
export function tellable(thrown: unknown, record: RequestRecord): GatewayError {
  const error =
    thrown instanceof GatewayError
      ? thrown
      : new GatewayError("internal", "The gateway failed.", { code: "internal_error", cause: thrown });
  record.error = error.code;
  if (error.kind === "internal" && error.cause instanceof Error) record.cause = placeOf(error.cause);
  return error;
}

/** Where an unforeseen error came from: its name and stack without its message, which may quote a request. */
function placeOf({ name, stack = "" }: Error): string {
  const frames = stack.split("\n").filter((line) => /^ +at \S.*:\d+:\d+\)?$/.test(line));
  return [name, ...frames.slice(0, 5).map((frame) => frame.trim())].join(" ");
}
