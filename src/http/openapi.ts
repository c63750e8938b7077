import * as z from "zod/mini";
import { envelopes } from "./envelopes.ts";
import { chatCompletionRequest } from "./openai-request.ts";
import {
  chatCompletionAnswer,
  connectAnswer,
  connectError,
  generateAnswer,
  healthAnswer,
  liveAnswer,
  modelAnswer,
  modelsAnswer,
  openAiErrorAnswer,
  qingyuErrorAnswer,
  readyAnswer,
} from "./openapi-answers.ts";
import { generateRequest } from "./qingyu-request.ts";

type Schema = z.ZodMiniType;

/** The API as an OpenAPI 3.1 document, its request bodies made from the very schemas that validate them. */
export function openApiDocument() {
  return {
    openapi: "3.1.0",
    info: {
      title: "Qingyu AI Gateway",
      version: "1",
      description: "Generates text through an AI service, falls back to other providers, and keeps answers in a cache.",
    },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }],
    tags: [{ name: "OpenAI" }, { name: "Qingyu" }, { name: "Connect" }, { name: "Operations" }],
    paths: paths(),
    components: { securitySchemes: { apiKey: { type: "http", scheme: "bearer" } } },
  };
}

const example = "夜雨落在青石巷，";

function paths() {
  return {
    "/v1/chat/completions": {
      post: generation({
        tag: "OpenAI",
        id: "createChatCompletion",
        summary: "A completion, as OpenAI's API makes it; every official OpenAI SDK works",
        request: chatCompletionRequest,
        example: { model: "gpt-4o", messages: [{ role: "user", content: example }] },
        answer: chatCompletionAnswer,
        events: 'data: {"object":"chat.completion.chunk", ...}\n\ndata: [DONE]\n\n',
        error: openAiErrorAnswer,
      }),
    },
    "/v1/models": { get: lookUp("OpenAI", "listModels", "The models that the settings name", modelsAnswer) },
    "/v1/models/{id}": {
      get: {
        ...lookUp("OpenAI", "retrieveModel", "One model", modelAnswer),
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      },
    },
    "/api/v1/ai/generate": {
      post: generation({
        tag: "Qingyu",
        id: "generate",
        summary: "Text for a project, in the platform's envelope",
        request: generateRequest,
        example: { projectId: "p1", prompt: example, options: { maxTokens: 200 } },
        answer: generateAnswer,
        events: 'event: message\ndata: {"delta":"..."}\n\nevent: done\ndata: {"finishReason":"stop", ...}\n\n',
        error: qingyuErrorAnswer,
      }),
    },
    "/qingyu.ai.AIService/{method}": {
      post: {
        tags: ["Connect"],
        operationId: "callAiService",
        summary: "The contract in proto/ for Connect and gRPC-Web clients; streaming methods need one of those",
        parameters: [
          {
            name: "method",
            in: "path",
            required: true,
            schema: { type: "string", examples: ["GenerateContent", "StreamGenerateContent", "HealthCheck"] },
          },
        ],
        requestBody: {
          required: true,
          content: {
            "application/json": { schema: { type: "object" }, example: { projectId: "p1", prompt: example } },
          },
        },
        responses: { 200: body("The method's answer", connectAnswer), default: body("An error", connectError) },
      },
    },
    "/health/live": { get: open("isLive", "Whether the worker runs", { 200: body("It runs", liveAnswer) }) },
    "/health/ready": {
      get: open("isReady", "Whether requests can be served, and what stands in the way", {
        200: body("Ready or degraded", readyAnswer),
        503: body("Not ready", readyAnswer),
      }),
    },
    "/api/v1/health": {
      get: open("health", "The same in the platform's shape", {
        200: body("Healthy or degraded", healthAnswer),
        503: body("Unhealthy", healthAnswer),
      }),
    },
    "/openapi.json": { get: open("openapi", "This document", { 200: { description: "OpenAPI 3.1" } }) },
    "/docs": { get: open("docs", "This document for people", { 200: { description: "A web page" } }) },
  };
}

interface Generation {
  readonly tag: string;
  readonly id: string;
  readonly summary: string;
  readonly request: z.ZodMiniType;
  readonly example: unknown;
  readonly answer: Schema;
  readonly events: string;
  readonly error: Schema;
}

function generation({ tag, id, summary, request, example, answer, events, error }: Generation) {
  return {
    tags: [tag],
    operationId: id,
    summary,
    parameters: ["cache-control", "x-request-id", "x-request-timeout-ms", "traceparent"].map((name) => ({
      name,
      in: "header",
      schema: { type: "string" },
    })),
    requestBody: { required: true, content: { "application/json": { schema: schemaOf(request), example } } },
    responses: {
      200: {
        description: "The answer, whole or as server-sent events",
        headers: Object.fromEntries(answerHeaderNames.map((name) => [name, { schema: { type: "string" } }])),
        content: {
          "application/json": { schema: schemaOf(answer) },
          "text/event-stream": { schema: { type: "string" }, example: events },
        },
      },
      ...errorAnswers(error),
    },
  };
}

const answerHeaderNames = [
  "x-request-id",
  "x-qingyu-provider",
  "x-qingyu-attempts",
  "cache-status",
  "x-cache",
  "age",
  "server-timing",
];

/** One response per status that the table of errors knows, with its kinds. A caller that left sees no 499. */
function errorAnswers(error: Schema) {
  const kinds = Map.groupBy(Object.entries(envelopes), ([, { status }]) => status);
  kinds.delete(499);
  return Object.fromEntries(
    [...kinds].map(([status, entries]) => [status, body(entries.map(([kind]) => kind).join(", "), error)]),
  );
}

function lookUp(tag: string, operationId: string, summary: string, answer: Schema) {
  return {
    tags: [tag],
    operationId,
    summary,
    responses: { 200: body("Found", answer), default: body("An error", openAiErrorAnswer) },
  };
}

function open(operationId: string, summary: string, responses: Record<number, unknown>) {
  return { tags: ["Operations"], operationId, summary, security: [], responses };
}

function body(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema: schemaOf(schema) } } };
}

function schemaOf(schema: Schema) {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}
