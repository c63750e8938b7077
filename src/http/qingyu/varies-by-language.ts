import type { MiddlewareHandler } from "hono";
import type { Walk } from "../call.ts";

/** Says of all answers but preflights that they are told in what their reader reads (RFC 9110, 12.5.5). */
export function variesByLanguage(): MiddlewareHandler<Walk> {
  return async function variesByLanguage(c, next) {
    await next();
    if (c.req.method !== "OPTIONS") c.res.headers.append("vary", "accept-language");
  };
}
