import type { Handler } from "hono";
import { GatewayError } from "../errors.ts";
import type { Walk } from "./call.ts";

/** Answers every other method of a path with 405 and the methods that it has (RFC 9110, 15.5.6). */
export function allowOnly(...methods: readonly string[]): Handler<Walk> {
  return () => {
    throw new GatewayError("method_not_allowed", "Use {methods}.", { allow: methods, values: { methods } });
  };
}
