import { AIService } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { rpcOf } from "../../rpcs/rpcs.ts";
import { exampleOf } from "../docs/contract-examples.ts";
import {
  anyErrors,
  asksForStream,
  asksProvider,
  asksWithoutCache,
  bodyErrors,
  type Description,
  eventStream,
  json,
  queryParameters,
  requestBody,
  streaming,
} from "../docs/description.ts";
import { answer, createdAtMs, eventsWritten, model, prompt, requestId } from "../docs/examples.ts";
import type { Comments } from "../docs/message-schemas.ts";
import { type JsonSchema, jsonSchema, jsonSchemas, ref } from "../docs/schemas.ts";
import { sseEvent } from "../event-stream.ts";
import {
  GenerateAnswer,
  GenerateDoneEvent,
  GenerateMessageEvent,
  ProviderList,
  Purged,
  QingyuError,
  QingyuErrorEvent,
  QingyuModelList,
  Retrieved,
  StageEvent,
  StoryAnswer,
} from "./answers.ts";
import { purged } from "./cache.ts";
import { quotaPaths, quotaSchemas } from "./describe-quota.ts";
import { enveloping, events, rpcRoutes, rpcSchemas } from "./describe-rpcs.ts";
import { inEnvelope, type Said } from "./form.ts";
import { generateAnswer, generateEncoder } from "./generate.ts";
import { generateRequest } from "./generate-request.ts";
import { passages, retrieved } from "./knowledge.ts";
import { retrieveRequest, searchQuery, storyRequest } from "./requests.ts";
import { storyAnswer } from "./story.ts";
import { qingyuSurface } from "./surface.ts";
import { textAnswer } from "./text-answers.ts";

const options = { model, maxTokens: 200, temperature: 0.8 };
const request = { projectId: "qingyu", chapterId: "12", prompt, options };

const language = "zh";
const continued = { form: { isBare: false, language }, textName: "generated_text" } as const;

const query = "青羽是谁的";
const found = { message: exampleOf(rpcOf(AIService.method.queryKnowledge)).answer };
const writtenStory = storyAnswer({
  message: exampleOf(rpcOf(AIService.method.storyWrite)).answer,
  provider: "ai-service",
  model,
  createdAtMs,
  usage: { totalTokens: 60 },
});

/** What can be wrong with a body only. */
const ofBodies: ReadonlySet<string> = new Set(["request_timeout", "payload_too_large", "unsupported_media_type"]);

/** Data in the platform's envelope. */
function enveloped(schema: JsonSchema, data: unknown, said: Said = "done") {
  return { "application/json": { schema: enveloping(schema), example: inEnvelope(data, language, requestId, said) } };
}

/** The platform's surface, from its schemas and its own encoders. */
export async function qingyuDescription(comments: Comments): Promise<Description> {
  return {
    tag: "Qingyu",
    about:
      "For the platform: camelCase JSON in its envelope. `message` is Chinese, unless `Accept-Language` prefers English; programs go by `code` and `error`.",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: {
      ...jsonSchemas({
        GenerateRequest: generateRequest,
        StoryRequest: storyRequest,
        RetrieveRequest: retrieveRequest,
        StoryAnswer,
        Retrieved,
        StageEvent,
        ProviderList,
        QingyuModelList,
        GenerateAnswer,
        GenerateMessageEvent,
        GenerateDoneEvent,
        QingyuErrorEvent,
        Purged,
        QingyuError,
      }),
      ...rpcSchemas(comments),
      ...quotaSchemas,
    },
    routes: {
      "POST /api/v1/ai/generate": {
        ...asksForStream,
        operationId: "generate",
        summary: "Write text for a project",
        description: `With \`currentText\` a text goes on, as at \`/api/v1/ai/writing/continue\`, and is answered as there. Members that are not known are left alone. Streams where \`options.stream\` or \`Accept: text/event-stream\` asks for it. ${streaming}`,
        requestBody: requestBody(ref("GenerateRequest"), {
          continued: { projectId: "qingyu", currentText: prompt, continueLength: 200, type: "continue" },
          whole: request,
          streamed: { ...request, options: { ...options, stream: true } },
        }),
        answer: {
          "application/json": {
            schema: { anyOf: [ref("GenerateAnswer"), ref("TextAnswer")] },
            examples: {
              conversation: { value: await generateAnswer(answer(), requestId, { language }) },
              continued: { value: await textAnswer(answer(), continued, "continued", { requestId }) },
            },
          },
          ...eventStream(
            "Events `message` (`GenerateMessageEvent`), then `done` (`GenerateDoneEvent`) or `error` (`QingyuErrorEvent`). Of a text that goes on they are `TextMessageEvent` and `TextDoneEvent`.",
            await eventsWritten(generateEncoder(requestId, { language })),
          ),
        },
      },
      "POST /api/v1/ai/story/generate": {
        ...asksWithoutCache,
        operationId: "generateStory",
        summary: "Continue, rewrite or advise on a document of a project",
        description: events,
        requestBody: requestBody(ref("StoryRequest"), {
          passage: { projectId: "qingyu", documentId: "12", mode: "continue", selectedText: prompt },
        }),
        answer: {
          ...enveloped(ref("StoryAnswer"), writtenStory),
          ...eventStream(
            "Event `result` (`StoryAnswer`) or `error` (`QingyuErrorEvent`).",
            sseEvent(JSON.stringify(writtenStory), "result"),
          ),
        },
      },
      "POST /api/v1/ai/rag/retrieve": {
        ...asksProvider,
        operationId: "retrieveKnowledge",
        summary: "Find passages of a project, as one answer",
        requestBody: requestBody(ref("RetrieveRequest"), { query: { query, projectId: "qingyu", topK: 5 } }),
        answer: enveloped(ref("Retrieved"), retrieved(found, { includeOutline: false, startedAtMs: createdAtMs - 84 })),
      },
      "GET /api/v1/ai/rag/search": {
        ...asksProvider,
        operationId: "searchKnowledge",
        summary: "Find passages of a project, as texts",
        parameters: [...queryParameters(jsonSchema(searchQuery), { query }), ...asksProvider.parameters],
        answer: enveloped({ type: "array", items: { type: "string" } }, passages(found), "found"),
        errors: asksProvider.errors.filter((error) => !ofBodies.has(error)),
      },
      ...rpcRoutes(comments),
      "GET /api/v1/ai/providers": {
        operationId: "listProviders",
        summary: "Who can be asked",
        answer: json(
          "ProviderList",
          inEnvelope(
            [{ name: "openai", displayName: "OpenAI", status: "active", models: [model] }],
            language,
            requestId,
            "found",
          ),
        ),
        errors: anyErrors,
      },
      "GET /api/v1/ai/models": {
        operationId: "listQingyuModels",
        summary: "What they can be asked for",
        parameters: [{ name: "provider", in: "query", schema: { type: "string" } }],
        answer: json(
          "QingyuModelList",
          inEnvelope(
            [{ id: model, name: model, provider: "openai", maxTokens: 128_000, costPer1k: null }],
            language,
            requestId,
            "found",
          ),
        ),
        errors: anyErrors,
      },
      ...quotaPaths(),
      "DELETE /api/v1/ai/cache": {
        operationId: "purgeCache",
        summary: "Forget all cached answers of the caller's tenant",
        description:
          "For keys, and for users with the role `admin`. Other places of Cloudflare's network may take a minute or two to notice.",
        answer: json("Purged", purged("all", language, requestId)),
        errors: [...anyErrors, "cache_unavailable"],
      },
      "POST /api/v1/ai/cache/purge": {
        operationId: "purgeCachedRequest",
        summary: "Forget the cached answer to one request",
        description:
          "The body is that request, as it was sent to `/api/v1/ai/generate`, `/v1/chat/completions`, `/v1/completions` or `/v1/embeddings`.",
        requestBody: requestBody(
          {
            anyOf: [
              ref("GenerateRequest"),
              ref("ChatCompletionRequest"),
              ref("CompletionRequest"),
              ref("EmbeddingsRequest"),
            ],
          },
          { request },
        ),
        answer: json("Purged", purged("one", language, requestId)),
        errors: [...bodyErrors, "cache_unavailable"],
      },
    },
  };
}
