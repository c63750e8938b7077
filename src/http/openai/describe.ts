import * as z from "zod/mini";
import { maxInputsPerRequest } from "../../embedding.ts";
import {
  anyErrors,
  asksForStream,
  asksProvider,
  type Description,
  eventStream,
  json,
  requestBody,
  streaming,
} from "../docs/description.ts";
import {
  answer,
  embeddingModel,
  embeddings,
  eventsWritten,
  messages,
  model,
  prompt,
  requestId,
} from "../docs/examples.ts";
import { omittedHeaderNames } from "../docs/headers.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import {
  ChatCompletion,
  ChatCompletionChunk,
  EmbeddingList,
  Model,
  ModelList,
  OpenAiError,
  TextCompletion,
  TextCompletionChunk,
} from "./answers.ts";
import { chatCompletion, chatCompletionEncoder } from "./chat-completions.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "./chat-completions-request.ts";
import { completionEncoder, textCompletion } from "./completions.ts";
import { completionRequest, fromCompletionRequest } from "./completions-request.ts";
import { embeddingList } from "./embeddings.ts";
import { embeddingsRequest } from "./embeddings-request.ts";
import { modelObject } from "./models.ts";
import { openAiSurface } from "./surface.ts";

const chat = { model: model, messages, max_tokens: 200, temperature: 0.8 };
const encoder = chatCompletionEncoder(requestId, fromChatCompletionRequest(chatCompletionRequest.parse(chat)));

const text = { model, prompt, max_tokens: 200, temperature: 0.8 };

const inputText = z.string().check(z.minLength(1));
const tokens = z.array(z.int().check(z.nonnegative())).check(z.minLength(1));
/** The forms of `input`, which are not validated by a schema. */
const describedEmbeddingsRequest = z.extend(embeddingsRequest, {
  input: z
    .union([
      inputText,
      z.array(inputText).check(z.minLength(1), z.maxLength(maxInputsPerRequest)),
      tokens,
      z.array(tokens).check(z.minLength(1), z.maxLength(maxInputsPerRequest)),
    ])
    .check(z.describe("A text or several; tokens only where a provider of OpenAI's type has the model.")),
});

/** The surface in OpenAI's form, from its schemas and its own encoders. */
export async function openAiDescription(): Promise<Description> {
  return {
    tag: "OpenAI",
    about: "For every program that speaks OpenAI's API; its base URL is `/v1`.",
    errors: { surface: openAiSurface, schemaName: "OpenAiError" },
    schemas: jsonSchemas({
      ChatCompletionRequest: chatCompletionRequest,
      ChatCompletion,
      ChatCompletionChunk,
      CompletionRequest: completionRequest,
      TextCompletion,
      TextCompletionChunk,
      EmbeddingsRequest: describedEmbeddingsRequest,
      EmbeddingList,
      Model,
      ModelList,
      OpenAiError,
    }),
    routes: {
      "POST /v1/chat/completions": {
        ...asksForStream,
        answerHeaders: [...asksProvider.answerHeaders, ...omittedHeaderNames],
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
            await eventsWritten(encoder),
          ),
        },
      },
      "POST /v1/completions": {
        ...asksForStream,
        answerHeaders: [...asksProvider.answerHeaders, ...omittedHeaderNames],
        operationId: "createCompletion",
        summary: "Continue a text",
        description: `The older form of OpenAI's API: one text, which providers are asked as the message of a user. ${streaming}`,
        requestBody: requestBody(ref("CompletionRequest"), {
          whole: text,
          streamed: { ...text, stream: true },
        }),
        answer: {
          ...json("TextCompletion", await textCompletion(answer(), requestId)),
          ...eventStream(
            "The data of each event is a `TextCompletionChunk`, of the last `[DONE]`.",
            await eventsWritten(completionEncoder(requestId, fromCompletionRequest(text))),
          ),
        },
      },
      "POST /v1/embeddings": {
        ...asksProvider,
        operationId: "createEmbeddings",
        summary: "Turn texts into vectors",
        description:
          "As OpenAI's API does. Only a provider that has the very model which was asked for is asked. Parameters that are not listed are carried verbatim to providers of OpenAI's type.",
        requestBody: requestBody(ref("EmbeddingsRequest"), {
          texts: { model: embeddingModel, input: [prompt, "抬头望见檐角一盏将熄的灯。"] },
          text: { input: prompt, encoding_format: "base64" },
        }),
        answer: json("EmbeddingList", JSON.parse([...embeddingList(embeddings, { encodingFormat: "float" })].join(""))),
      },
      "GET /v1/models": {
        operationId: "listModels",
        summary: "The models that the providers have",
        description:
          "As they list them themselves, remembered for five minutes; of a provider without a list those that the settings name. Within the setting `ai.models`.",
        answer: json("ModelList", { object: "list", data: [modelObject(model)] }),
        errors: anyErrors,
      },
      "GET /v1/models/{id}": {
        operationId: "retrieveModel",
        summary: "One model",
        description:
          "404 where the setting `ai.models` leaves it out, or where every provider lists its models and none has it.",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" }, example: model }],
        answer: json("Model", modelObject(model)),
        errors: [...anyErrors, "not_found"],
      },
    },
  };
}
