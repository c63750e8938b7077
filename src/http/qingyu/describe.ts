import {
  anyErrors,
  asksForStream,
  bodyErrors,
  type Description,
  eventStream,
  json,
  requestBody,
  streaming,
} from "../docs/description.ts";
import { answer, eventsWritten, model, prompt, requestId } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import {
  GenerateAnswer,
  GenerateDoneEvent,
  GenerateErrorEvent,
  GenerateMessageEvent,
  Purged,
  QingyuError,
} from "./answers.ts";
import { purged } from "./cache.ts";
import { generateAnswer, generateEncoder } from "./generate.ts";
import { generateRequest } from "./generate-request.ts";
import { qingyuSurface } from "./surface.ts";

const options = { model, maxTokens: 200, temperature: 0.8 };
const request = { projectId: "qingyu", chapterId: "12", prompt, options };

/** The platform's surface, from its schemas and its own encoders. */
export async function qingyuDescription(): Promise<Description> {
  return {
    tag: "Qingyu",
    about: "For the platform: camelCase JSON in its envelope.",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: jsonSchemas({
      GenerateRequest: generateRequest,
      GenerateAnswer,
      GenerateMessageEvent,
      GenerateDoneEvent,
      GenerateErrorEvent,
      Purged,
      QingyuError,
    }),
    routes: {
      "POST /api/v1/ai/generate": {
        ...asksForStream,
        operationId: "generate",
        summary: "Write text for a project",
        description: `Streams where \`options.stream\` or \`Accept: text/event-stream\` asks for it. ${streaming}`,
        requestBody: requestBody(ref("GenerateRequest"), {
          whole: request,
          streamed: { ...request, options: { ...options, stream: true } },
        }),
        answer: {
          ...json("GenerateAnswer", await generateAnswer(answer(), requestId)),
          ...eventStream(
            "Events `message` (`GenerateMessageEvent`), then `done` (`GenerateDoneEvent`) or `error` (`GenerateErrorEvent`).",
            await eventsWritten(generateEncoder(requestId)),
          ),
        },
      },
      "DELETE /api/v1/ai/cache": {
        operationId: "purgeCache",
        summary: "Forget all cached answers of the caller's tenant",
        description:
          "For keys, and for users with the role `admin`. Other places of Cloudflare's network may take a minute or two to notice.",
        answer: json("Purged", purged("all", requestId)),
        errors: [...anyErrors, "permission_denied", "cache_unavailable"],
      },
      "POST /api/v1/ai/cache/purge": {
        operationId: "purgeCachedRequest",
        summary: "Forget the cached answer to one request",
        description:
          "The body is that request, as it was sent to `/api/v1/ai/generate`, `/v1/chat/completions` or `/v1/embeddings`.",
        requestBody: requestBody(
          { anyOf: [ref("GenerateRequest"), ref("ChatCompletionRequest"), ref("EmbeddingsRequest")] },
          { request },
        ),
        answer: json("Purged", purged("one", requestId)),
        errors: [...bodyErrors, "cache_unavailable"],
      },
    },
  };
}
