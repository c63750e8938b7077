import { Hono } from "hono";
import { collect } from "../../collect.ts";
import type { Config } from "../../config/config.ts";
import type { Generate } from "../../upstream.ts";
import { startCall, type Walk } from "../call.ts";
import { openAiError } from "../envelopes.ts";
import { sseEvent } from "../event-stream.ts";
import { readJson } from "../json-body.ts";
import { requireModel, requireWithinLimits } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { answerEvents, answerJson } from "../surface.ts";
import { chatCompletion, chatCompletionEncoder } from "./encode.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "./request.ts";

const fieldNames = { prompt: "messages", maxTokens: "max_tokens", model: "model" };

/** The OpenAI-compatible surface: its official SDKs work with only `base_url` changed. */
export function openAiRoutes(config: Config, generate: Generate): Hono<Walk> {
  const routes = new Hono<Walk>();

  routes.post("/chat/completions", async (c) => {
    const record = c.get("record");
    record.operation = "generate";
    const body = await readJson(c.req.raw, chatCompletionRequest, config.limits.bodyBytes);
    const { request, stream, includeUsage } = fromChatCompletionRequest(body);
    record.model = request.model;
    requireWithinLimits(request, config, fieldNames);
    const started = startCall(c, stream, config);
    const answer = generate(request, started.call);
    if (!stream) {
      const generation = await collect(await answer);
      return answerJson(c, generation, chatCompletion(generation, record.requestId));
    }
    return await answerEvents(c, answer, started, {
      encoder: (stream) => chatCompletionEncoder(stream, record.requestId, includeUsage),
      heartbeatMs: config.stream.heartbeatMs,
      errorEvent: (error) => sseEvent(JSON.stringify(openAiError(error, record.requestId))),
    });
  });
  routes.all("/chat/completions", allowOnly("POST"));

  const models = listedModels(config).map(modelObject);
  routes.get("/models", (c) => c.json({ object: "list", data: models }));
  routes.all("/models", allowOnly("GET"));
  routes.get("/models/:id{.+}", (c) => {
    const id = c.req.param("id");
    requireModel(id, config.ai.models, "model");
    return c.json(modelObject(id));
  });
  routes.all("/models/:id{.+}", allowOnly("GET"));
  return routes;
}

/** The names that the settings spell out. Patterns stand for names that only the providers know. */
function listedModels({ ai }: Config): string[] {
  const named = [
    ai.model,
    ...(ai.models ?? []),
    ...ai.providers.flatMap(({ model, models }) => [model, ...(models ?? [])]),
  ];
  const names = named.filter((name) => name !== undefined && !name.includes("*"));
  return [...new Set(names)].filter((name): name is string => name !== undefined);
}

/** `created` is not known of anybody's model; the field is required by OpenAI's clients. */
function modelObject(id: string) {
  return { id, object: "model", created: 0, owned_by: "qingyu-ai-gateway" };
}
