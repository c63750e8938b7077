import type { MiddlewareHandler } from "hono";
import type { Config } from "../config/config.ts";
import type { InFlight } from "../in-flight.ts";
import type { Walk } from "./call.ts";

/** What a request takes that is small in all else. */
const leastBytes = 16 * 1024;

/**
 * Gives each request its share of the memory for requests in flight, until its answer has ended (`observe`). A request that
 * the runtime ends without a word, and an answer that is not read, keeps its share for twice as long as a request may take. Throws a `GatewayError` `overloaded` where there is none to give.
 */
export function holdMemory(inFlight: InFlight, { deadlines }: Pick<Config, "deadlines">): MiddlewareHandler<Walk> {
  return async function holdMemory(c, next) {
    const memory = inFlight.open(c.get("caller").tenant, c.get("record").startedAtMs + 2 * deadlines.requestMs);
    c.set("memory", memory);
    memory.take(leastBytes);
    await next();
  };
}
