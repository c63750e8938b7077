import type { ErrorHandler } from "hono";
import { callerError } from "../errors.ts";
import { noteError } from "../record.ts";
import { answerHeaders } from "./answer-headers.ts";
import { challengeTo } from "./auth.ts";
import type { Walk } from "./call.ts";
import type { Surface } from "./surface.ts";

/**
 * The one road for errors: whatever was thrown becomes the envelope of the surface whose path was asked, of the one whose
 * language was spoken where it is a path of none, else of `otherwise`.
 */
export function errorHandler(surfaces: readonly Surface[], otherwise: Surface): ErrorHandler<Walk> {
  return function errorHandler(thrown, c) {
    const record = c.get("record");
    const error = callerError(thrown);
    noteError(record, error);
    const surface =
      surfaces.find(({ prefix }) => c.req.path.startsWith(prefix)) ??
      surfaces.find(({ isSpokenIn }) => isSpokenIn?.(c.req.raw.headers)) ??
      otherwise;
    record.status = surface.statusOf?.(error);
    const response = surface.errorResponse(error, { request: c.req.raw, requestId: record.requestId });
    for (const [name, value] of Object.entries(answerHeaders(record, Date.now()))) response.headers.set(name, value);
    if (error.kind === "unauthenticated") response.headers.set("www-authenticate", challengeTo(c.req.raw.headers));
    // RFC 9110, 12.5.3: what would be taken instead.
    if (error.param === "content-encoding") response.headers.set("accept-encoding", "gzip");
    if (error.allow) response.headers.set("allow", error.allow.join(", "));
    return response;
  };
}
