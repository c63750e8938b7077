import type { MiddlewareHandler } from "hono";
import type { Walk } from "../call.ts";

/** Says that answers are told in what their reader reads (RFC 9110, 12.5.5). */
export function variesByLanguage(): MiddlewareHandler<Walk> {
  return async function variesByLanguage(c, next) {
    await next();
    c.res.headers.append("vary", "accept-language");
  };
}
