import type { MiddlewareHandler } from "hono";
import type { Caller, Identify } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import type { Walk } from "./call.ts";

/** Lets those pass of whom it is known who they are, and says so to all that follow. Throws what `identify` throws. */
export function authenticate(identify: Identify): MiddlewareHandler<Walk> {
  return function authenticate(c, next) {
    const pass = (caller: Caller) => {
      c.set("caller", caller);
      c.get("record").caller = caller;
      return next();
    };
    const found = identify(credentialIn(c.req.raw.headers), (work) => c.executionCtx.waitUntil(work));
    return found instanceof Promise ? found.then(pass) : pass(found);
  };
}

/** An operator administers, and asks for nothing that is a tenant's. Throws 403 `permission_denied`. */
export const refuseOperators: MiddlewareHandler<Walk> = (c, next) => {
  if (!c.get("caller").isOperator) return next();
  throw new GatewayError("permission_denied", "An operator's key is for '/admin' only; send a tenant's key.");
};

/** The key or token that a request brings: `Authorization: Bearer` (RFC 6750, 2.1), else `x-api-key` as Anthropic's clients send it. */
function credentialIn(headers: Headers): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
  return bearer ?? (headers.get("x-api-key") || undefined);
}

/** How to authenticate, and that what was sent does not do so, where something was (RFC 6750, 3). */
export function challengeTo(headers: Headers): string {
  return credentialIn(headers) === undefined ? "Bearer" : 'Bearer error="invalid_token"';
}
