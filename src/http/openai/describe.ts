import {
  anyErrors,
  asksProvider,
  type Description,
  eventStream,
  json,
  requestBody,
  streaming,
} from "../docs/description.ts";
import { answer, eventsOf, messages, model, requestId } from "../docs/scene.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { ChatCompletion, ChatCompletionChunk, Model, ModelList, OpenAiError } from "./answers.ts";
import { chatCompletion, chatCompletionEncoder } from "./encode.ts";
import { modelObject } from "./models.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "./request.ts";
import { openAiSurface } from "./surface.ts";

const chat = { model: model, messages, max_tokens: 200, temperature: 0.8 };
const encoder = chatCompletionEncoder(requestId, fromChatCompletionRequest(chatCompletionRequest.parse(chat)));

export async function openAiDescription(): Promise<Description> {
  return {
    tag: "OpenAI",
    about: "For every program that speaks OpenAI's API; its base URL is `/v1`.",
    errors: { surface: openAiSurface, schemaName: "OpenAiError" },
    schemas: jsonSchemas({
      ChatCompletionRequest: chatCompletionRequest,
      ChatCompletion,
      ChatCompletionChunk,
      Model,
      ModelList,
      OpenAiError,
    }),
    routes: {
      "POST /v1/chat/completions": {
        ...asksProvider,
        operationId: "createChatCompletion",
        summary: "Continue a conversation",
        description: `As OpenAI's API does. Parameters that are not listed are carried verbatim to providers of OpenAI's type. ${streaming}`,
        requestBody: requestBody(ref("ChatCompletionRequest"), {
          whole: chat,
          streamed: { ...chat, stream: true, stream_options: { include_usage: true } },
        }),
        answer: {
          ...json("ChatCompletion", await chatCompletion(answer(), requestId)),
          ...eventStream(
            "The data of each event is a `ChatCompletionChunk`, of the last `[DONE]`.",
            await eventsOf(encoder),
          ),
        },
      },
      "GET /v1/models": {
        operationId: "listModels",
        summary: "The models that the settings name",
        answer: json("ModelList", { object: "list", data: [modelObject(model)] }),
        errors: anyErrors,
      },
      "GET /v1/models/{id}": {
        operationId: "retrieveModel",
        summary: "One model",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" }, example: model }],
        answer: json("Model", modelObject(model)),
        errors: [...anyErrors, "not_found"],
      },
    },
  };
}
