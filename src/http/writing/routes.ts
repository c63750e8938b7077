import { type Handler, Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { serve } from "../serve.ts";
import { analyzeChapter } from "./analyze-chapter.ts";
import { continueMethod } from "./continue.ts";
import { proofread } from "./proofread.ts";
import { readAssistant } from "./read-assistant.ts";
import { resultRoutes } from "./results.ts";
import { rewriteMethod } from "./rewrite.ts";
import { sensitiveWords } from "./sensitive-words.ts";
import { summarize } from "./summarize.ts";
import { chapterSummaries, summarizeChapter } from "./summarize-chapter.ts";

/** Writing tasks of the Qingyu platform, below `/api/v1`. */
export function writingRoutes(
  config: Config,
  gateway: Pick<Gateway, "generate" | "task" | "chapterText" | "results">,
): Hono<Walk> {
  const routes = new Hono<Walk>();
  const post = (path: string, handler: Handler<Walk>) => {
    routes.post(path, handler);
    routes.all(path, allowOnly("POST"));
  };
  post("/ai/writing/continue", serve(continueMethod(), gateway.generate, config));
  post("/ai/writing/continue/stream", serve(continueMethod(true), gateway.generate, config));
  post("/ai/writing/rewrite", serve(rewriteMethod({ textName: "rewritten_text" }), gateway.generate, config));
  const rewritten = rewriteMethod({ textName: "rewritten_text", isStream: true });
  post("/ai/writing/rewrite/stream", serve(rewritten, gateway.generate, config));
  const rewrite = rewriteMethod({ textName: "rewritten_text", usualMode: "polish" });
  post("/ai/rewrite", serve(rewrite, gateway.generate, config));
  const expand = serve(rewriteMethod({ textName: "expanded_text", mode: "expand" }), gateway.generate, config);
  for (const path of ["/ai/expand", "/ai/writing/expand"]) post(path, expand);
  const polish = serve(rewriteMethod({ textName: "polished_text", mode: "polish" }), gateway.generate, config);
  for (const path of ["/ai/polish", "/ai/writing/polish"]) post(path, polish);
  post("/ai/read-assistant", serve(readAssistant, gateway.generate, config));
  post("/ai/writing/summarize", serve(summarize, gateway.task, config));
  post("/ai/writing/summarize-chapter", serve(summarizeChapter, chapterSummaries(gateway, config), config));
  post("/story/analyze-chapter", serve(analyzeChapter, gateway.task, config));
  post("/ai/writing/proofread", serve(proofread(gateway.results), gateway.task, config));
  post("/ai/audit/sensitive-words", serve(sensitiveWords(gateway.results), gateway.task, config));
  routes.route("/", resultRoutes(gateway.results));
  return routes;
}
