import * as z from "zod/mini";
import { chatCompletionRequest } from "../openai/request.ts";
import { generateRequest } from "../qingyu/request.ts";
import * as answers from "./answers.ts";

/** Every schema of the API under its name in the document; those of the requests are the very ones that validate them. */
const schemas = {
  ChatCompletionRequest: chatCompletionRequest,
  ChatCompletion: answers.chatCompletionAnswer,
  ChatCompletionChunk: answers.chatCompletionChunk,
  Model: answers.modelAnswer,
  ModelList: answers.modelsAnswer,
  OpenAiError: answers.openAiErrorAnswer,
  GenerateRequest: generateRequest,
  GenerateAnswer: answers.generateAnswer,
  GenerateMessageEvent: answers.generateMessageEvent,
  GenerateDoneEvent: answers.generateDoneEvent,
  GenerateErrorEvent: answers.generateErrorEvent,
  Purged: answers.purgedAnswer,
  QingyuError: answers.qingyuErrorAnswer,
  GenerateContentRequest: answers.serviceRequest,
  GenerateContentResponse: answers.serviceAnswer,
  HealthCheckResponse: answers.serviceHealthAnswer,
  ConnectError: answers.connectErrorAnswer,
  Live: answers.liveAnswer,
  Ready: answers.readyAnswer,
  Health: answers.healthAnswer,
};
export type SchemaName = keyof typeof schemas;

export function ref(name: SchemaName) {
  return { $ref: `#/components/schemas/${name}` };
}

/** OpenAPI's `components.schemas`: what a caller sends, or what a lenient client expects. */
export function schemaComponents() {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      // OpenAPI 3.1 has this dialect by default.
      const { $schema: _, ...json } = z.toJSONSchema(schema, { target: "draft-2020-12", io: "input" });
      return [name, json];
    }),
  );
}
