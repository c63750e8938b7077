import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { serve } from "../serve.ts";
import { cacheRoutes } from "./cache.ts";
import { generate } from "./generate.ts";

/** The Qingyu platform's API. */
export function qingyuRoutes(config: Config, gateway: Pick<Gateway, "generate" | "purge">): Hono<Walk> {
  const routes = new Hono<Walk>();
  routes.post("/generate", serve(generate, gateway.generate, config));
  routes.all("/generate", allowOnly("POST"));
  routes.route("/cache", cacheRoutes(config, gateway.purge));
  return routes;
}
