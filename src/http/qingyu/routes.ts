import { type Handler, Hono } from "hono";
import type { Config } from "../../config/config.ts";
import { rpcs } from "../../rpcs/rpcs.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { serve } from "../serve.ts";
import { cacheRoutes } from "./cache.ts";
import { catalogueRoutes } from "./catalogue.ts";
import { generate } from "./generate.ts";
import { retrieve, search } from "./knowledge.ts";
import { quotaAdministration, quotaRoutes } from "./quota.ts";
import { rpcCodec } from "./rpc.ts";
import { story } from "./story.ts";
import { fromItsDocument } from "./story-text.ts";

/** The Qingyu platform's API, below `/api/v1`. */
export function qingyuRoutes(
  config: Config,
  gateway: Pick<
    Gateway,
    "generate" | "rpc" | "platformText" | "purge" | "models" | "readiness" | "mayUse" | "quotas" | "reports"
  >,
): Hono<Walk> {
  const routes = new Hono<Walk>();
  const post = (path: string, handler: Handler<Walk>) => {
    routes.post(path, handler);
    routes.all(path, allowOnly("POST"));
  };
  post("/ai/generate", serve(generate, gateway.generate, config));
  post("/ai/story/generate", serve(story, fromItsDocument(gateway.rpc("story_write"), gateway), config));
  post("/ai/rag/retrieve", serve(retrieve, gateway.rpc("query_knowledge"), config));
  routes.get("/ai/rag/search", serve(search, gateway.rpc("query_knowledge"), config));
  routes.all("/ai/rag/search", allowOnly("GET"));
  for (const rpc of rpcs) {
    const handler = serve(rpcCodec(rpc), gateway.rpc(rpc.name), config);
    for (const path of rpc.paths) post(path, handler);
  }
  routes.route("/ai", catalogueRoutes(config, gateway));
  routes.route("/ai/quota", quotaRoutes(gateway));
  routes.route("/admin/quota", quotaAdministration(config, gateway));
  routes.route("/ai/cache", cacheRoutes(config, gateway.purge));
  return routes;
}
