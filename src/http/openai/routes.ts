import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { serve } from "../serve.ts";
import { chatCompletions } from "./chat-completions.ts";
import { completions } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { modelRoutes } from "./models.ts";

/** What the gateway has of OpenAI's API. */
export function openAiRoutes(
  config: Config,
  { generate, embed, models, mayUse }: Pick<Gateway, "generate" | "embed" | "models" | "mayUse">,
): Hono<Walk> {
  const routes = new Hono<Walk>();
  routes.post("/chat/completions", serve(chatCompletions, generate, config));
  routes.all("/chat/completions", allowOnly("POST"));
  routes.post("/completions", serve(completions, generate, config));
  routes.all("/completions", allowOnly("POST"));
  routes.post("/embeddings", serve(embeddings, embed, config));
  routes.all("/embeddings", allowOnly("POST"));
  routes.route("/models", modelRoutes(config, { models, mayUse }));
  return routes;
}
