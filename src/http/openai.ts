import { Hono } from "hono";
import { collect } from "../answer.ts";
import type { Config } from "../config/config.ts";
import type { Generate } from "../upstream.ts";
import { answerEvents, answerJson } from "./answer.ts";
import { startCall, type Walk } from "./context.ts";
import { openAiError } from "./envelopes.ts";
import { sseEvent } from "./event-stream.ts";
import { requireModel, requireWithinLimits } from "./limits.ts";
import { allowOnly } from "./method-not-allowed.ts";
import { chatCompletion, chatCompletionEncoder } from "./openai-answer.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "./openai-request.ts";
import { readJson } from "./validate.ts";

const fieldNames = { prompt: "messages", maxTokens: "max_tokens", model: "model" };

/** The OpenAI-compatible face: its official SDKs work with only `base_url` changed. */
export function openAiFace(config: Config, generate: Generate): Hono<Walk> {
  const face = new Hono<Walk>();

  face.post("/chat/completions", async (c) => {
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
  face.all("/chat/completions", allowOnly("POST"));

  const models = listedModels(config).map(modelObject);
  face.get("/models", (c) => c.json({ object: "list", data: models }));
  face.all("/models", allowOnly("GET"));
  face.get("/models/:id{.+}", (c) => {
    const id = c.req.param("id");
    requireModel(id, config.ai.models, "model");
    return c.json(modelObject(id));
  });
  face.all("/models/:id{.+}", allowOnly("GET"));
  return face;
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
