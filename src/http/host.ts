import type { MiddlewareHandler } from "hono";
import type { Walk } from "./call.ts";
import { invalidValue } from "./invalid.ts";

/** A name or an address, and maybe a port (RFC 9110, 7.2), without what no name in use has. */
const hostForm = /^([\w.~-]+|\[[\da-f:.]+\])(:\d{0,5})?$/i;

/**
 * Refuses a `Host` that is none: workerd writes it into the URL as it came, so that one with a slash, `?` or `#` in it would
 * make another path of what was asked for. Requests that came over no wire may have none. Throws 400 `invalid_value`.
 */
export const requireHost: MiddlewareHandler<Walk> = (c, next) => {
  const host = c.req.header("host");
  if (host !== undefined && !hostForm.test(host)) throw invalidValue("host", "The header 'host' is not a host.");
  return next();
};
