import type { MiddlewareHandler } from "hono";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Walk } from "./call.ts";

/** Nobody puts that many gateways in a row on purpose. */
const maxGateways = 8;

const hopsForm = /^[0-9a-f]{16}(, ?[0-9a-f]{16})*$/;

/**
 * Notes which gateways a request has walked through, this one last, for the providers to be told of it: one of them may be
 * a gateway too. A header of another form is none of theirs and is ignored.
 */
export function noteHops(config: Config): MiddlewareHandler<Walk> {
  let ownId: string | undefined;
  return function noteHops(c, next) {
    const pass = (id: string) => {
      ownId = id;
      const before = c.req.header("x-qingyu-hops") ?? "";
      c.set("hops", hopsForm.test(before) ? [...before.split(/, ?/), id] : [id]);
      return next();
    };
    return ownId === undefined ? idOf(config).then(pass) : pass(ownId);
  };
}

/**
 * Refuses what comes back to a gateway that it has walked through already, however many others lie between, as RFC 8586
 * does for caches. Throws `loop_detected`.
 */
export const refuseLoops: MiddlewareHandler<Walk> = (c, next) => {
  const hops = c.get("hops");
  if (new Set(hops).size < hops.length || hops.length > maxGateways) {
    throw new GatewayError("loop_detected", "The request came back to this gateway: its providers lead to itself.");
  }
  return next();
};

/** A name for a deployment, the same in all its isolates: whoever asks the same providers under the same keys is the same. */
async function idOf({ ai, auth }: Config): Promise<string> {
  const traits = [ai.providers.map(({ name, baseUrl }) => [name, baseUrl]), auth.apiKeys];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(traits)));
  return new Uint8Array(digest, 0, 8).toHex();
}
