import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { unknownPath } from "../path.ts";
import { requireAdministrator } from "./administrator.ts";
import { keyRoutes } from "./keys.ts";
import { usageRoutes } from "./usage.ts";

/** What only administrators may do. */
export function adminRoutes(config: Config, { keys, reports }: Pick<Gateway, "keys" | "reports">): Hono<Walk> {
  const routes = new Hono<Walk>();
  routes.use(requireAdministrator);
  routes.route("/keys", keyRoutes(config, keys));
  routes.route("/usage", usageRoutes(config, reports));
  routes.all("*", () => {
    throw unknownPath();
  });
  return routes;
}
