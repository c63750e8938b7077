import type { ErrorKind } from "../../errors.ts";
import { connectErrors, type ErrorSurface, errorResponses, openAiErrors, qingyuErrors } from "./errors.ts";
import { example } from "./examples.ts";
import { answerHeaderNames, headerRefs, requestHeaderRefs } from "./headers.ts";
import { ref, type SchemaName } from "./schemas.ts";

const streaming = `A streamed answer's status and headers are sent with its first token, so everything before it still has
its proper status. A failure after it is the stream's last event. Lines that begin with a colon keep the connection
alive.`;

/** OpenAPI's `paths`, surface by surface; a test holds them against the app's routes. */
export function paths() {
  return { ...openAiPaths(), ...qingyuPaths(), ...connectPaths(), ...operationsPaths() };
}

function openAiPaths() {
  const { request, answer, events } = example.chat;
  const tags = ["OpenAI"];
  return {
    "/v1/chat/completions": {
      post: {
        tags,
        operationId: "createChatCompletion",
        summary: "Continue a conversation",
        description: `As OpenAI's API does. Parameters that are not listed are carried verbatim to providers of OpenAI's type. ${streaming}`,
        parameters: requestHeaderRefs,
        requestBody: requestBody("ChatCompletionRequest", {
          plain: { summary: "Whole", value: request },
          streamed: {
            summary: "Streamed",
            value: { ...request, stream: true, stream_options: { include_usage: true } },
          },
        }),
        responses: {
          200: generated(
            json("ChatCompletion", answer),
            eventStream(events, "The data of each event is a `ChatCompletionChunk`, of the last `[DONE]`."),
          ),
          ...errorResponses(openAiErrors),
        },
      },
    },
    "/v1/models": {
      get: {
        tags,
        operationId: "listModels",
        summary: "The models that the settings name",
        responses: found(json("ModelList", { object: "list", data: [example.model] }), openAiErrors),
      },
    },
    "/v1/models/{id}": {
      get: {
        tags,
        operationId: "retrieveModel",
        summary: "One model",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" }, example: example.model.id }],
        responses: found(json("Model", example.model), openAiErrors),
      },
    },
  };
}

function qingyuPaths() {
  const { request, answer, events } = example.generate;
  return {
    "/api/v1/ai/generate": {
      post: {
        tags: ["Qingyu"],
        operationId: "generate",
        summary: "Write text for a project",
        description: `Streams where \`options.stream\` or \`Accept: text/event-stream\` asks for it. ${streaming}`,
        parameters: requestHeaderRefs,
        requestBody: requestBody("GenerateRequest", {
          plain: { summary: "Whole", value: request },
          streamed: { summary: "Streamed", value: { ...request, options: { ...request.options, stream: true } } },
        }),
        responses: {
          200: generated(
            json("GenerateAnswer", answer),
            eventStream(
              events,
              "Events `message` (`GenerateMessageEvent`), then `done` (`GenerateDoneEvent`) or `error` (`GenerateErrorEvent`).",
            ),
          ),
          ...errorResponses(qingyuErrors),
        },
      },
    },
    "/api/v1/ai/cache": {
      delete: {
        tags: ["Qingyu"],
        operationId: "purgeCache",
        summary: "Forget all cached answers of the key's tenant",
        description: "Other places of Cloudflare's network may take a minute or two to notice.",
        responses: found(json("Purged", example.purged), qingyuErrors),
      },
    },
    "/api/v1/ai/cache/purge": {
      post: {
        tags: ["Qingyu"],
        operationId: "purgeCachedRequest",
        summary: "Forget the cached answer to one request",
        description: "The body is that request, as it was sent to `/api/v1/ai/generate` or to `/v1/chat/completions`.",
        requestBody: {
          required: true,
          content: {
            "application/json": {
              schema: { anyOf: [ref("GenerateRequest"), ref("ChatCompletionRequest")] },
              examples: { request: { value: request } },
            },
          },
        },
        responses: {
          200: response("The answer.", json("Purged", { ...example.purged, data: { purged: "one" } })),
          ...errorResponses(qingyuErrors),
        },
      },
    },
  };
}

function connectPaths() {
  const tags = ["Connect"];
  const { request, promptRequest, answer } = example.connect;
  return {
    "/qingyu.ai.AIService/GenerateContent": {
      post: {
        tags,
        operationId: "GenerateContent",
        summary: "Continue a prompt or a conversation",
        description:
          "Also as binary protobuf, and over gRPC-Web. `connect-timeout-ms` shortens the time that it may take.",
        parameters: requestHeaderRefs,
        requestBody: requestBody("GenerateContentRequest", {
          conversation: { summary: "A conversation", value: request },
          prompt: { summary: "A prompt", value: promptRequest },
        }),
        responses: {
          200: generated(json("GenerateContentResponse", answer)),
          ...errorResponses(connectErrors),
        },
      },
    },
    "/qingyu.ai.AIService/StreamGenerateContent": {
      post: {
        tags,
        operationId: "StreamGenerateContent",
        summary: "The same, piece by piece",
        description:
          "Needs a Connect or gRPC-Web client: messages are framed, and a failure is in the end of the stream.",
        parameters: requestHeaderRefs,
        requestBody: { required: true, content: framed },
        responses: { 200: generated(framed) },
      },
    },
    "/qingyu.ai.AIService/HealthCheck": {
      post: {
        tags,
        operationId: "HealthCheck",
        summary: "Whether the providers work",
        requestBody: { required: true, content: { "application/json": { schema: { type: "object" }, example: {} } } },
        responses: found(json("HealthCheckResponse", example.serviceHealth), connectErrors),
      },
    },
  };
}

function operationsPaths() {
  const notConfigured = json("Ready", example.unready);
  return {
    "/health/live": {
      get: open("isLive", "Whether the worker runs", { 200: response("It runs.", json("Live", { status: "alive" })) }),
    },
    "/health/ready": {
      get: open("isReady", "Whether requests can be served, and what stands in the way", {
        200: response("Ready or degraded.", json("Ready", example.ready)),
        503: response("The settings are wrong, or no provider works.", notConfigured),
      }),
    },
    "/api/v1/health": {
      get: open("health", "The same in the platform's shape", {
        200: response("Healthy or degraded.", json("Health", example.health)),
        503: response("Unhealthy.", json("Health", { ...example.health, status: "unhealthy" })),
      }),
    },
    "/openapi.json": {
      get: open("openapi", "This document", {
        200: response("OpenAPI 3.1.", { "application/json": { schema: { type: "object" } } }),
      }),
    },
    "/docs": {
      get: open("docs", "This document for people", {
        200: response("A page that needs nothing from any other site.", {
          "text/html": { schema: { type: "string" } },
        }),
      }),
    },
  };
}

/** What can be wrong with a request that has no body. */
const lookUpErrors: readonly ErrorKind[] = [
  "unauthenticated",
  "permission_denied",
  "not_found",
  "method_not_allowed",
  "rate_limited",
  "quota_exceeded",
  "internal",
  "config_error",
];

type Content = Readonly<Record<string, object>>;

function open(operationId: string, summary: string, responses: Readonly<Record<number, object>>) {
  return { tags: ["Operations"], operationId, summary, security: [], responses };
}

function requestBody(name: SchemaName, examples: Readonly<Record<string, object>>) {
  return { required: true, content: { "application/json": { schema: ref(name), examples } } };
}

function found(content: Content, errors: ErrorSurface) {
  return { 200: response("The answer.", content), ...errorResponses(errors, lookUpErrors) };
}

function generated(...contents: readonly Content[]) {
  return response("The answer.", Object.assign({}, ...contents), answerHeaderNames);
}

function response(description: string, content: Content, headers: readonly string[] = ["x-request-id"]) {
  return { description, headers: headerRefs(headers), content };
}

function json(name: SchemaName, example: unknown): Content {
  return { "application/json": { schema: ref(name), example } };
}

function eventStream(example: string, description: string): Content {
  return { "text/event-stream": { schema: { type: "string", description }, example } };
}

/** JSON Schema has no words for Connect's frames: a byte of flags, four of length, a message. */
const framed: Content = { "application/connect+json": {}, "application/connect+proto": {} };
