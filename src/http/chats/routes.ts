import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { serve } from "../serve.ts";
import { chatMethod } from "./chat.ts";
import { sessionRoutes } from "./sessions.ts";

/** Chats of the Qingyu platform, below `/api/v1/ai/chat`. */
export function chatRoutes(config: Config, gateway: Pick<Gateway, "chat" | "chats">): Hono<Walk> {
  const routes = new Hono<Walk>();
  routes.post("/", serve(chatMethod(), gateway.chat, config));
  routes.all("/", allowOnly("POST"));
  routes.post("/stream", serve(chatMethod(true), gateway.chat, config));
  routes.all("/stream", allowOnly("POST"));
  routes.route("/sessions", sessionRoutes(config, gateway));
  return routes;
}
