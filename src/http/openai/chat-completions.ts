import type { GenerationRequest } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { chatCompletion, chatCompletionEncoder } from "./encode.ts";
import { type ChatCompletionCall, chatCompletionRequest, fromChatCompletionRequest } from "./request.ts";

const fieldNames = { prompt: "messages", maxTokens: "max_tokens", model: "model" };

/** `POST /v1/chat/completions` (https://platform.openai.com/docs/api-reference/chat). */
export const chatCompletions: Codec<
  typeof chatCompletionRequest,
  GenerationRequest,
  GenerationAnswer,
  ChatCompletionCall
> = {
  body: chatCompletionRequest,
  decode: fromChatCompletionRequest,
  check: (request, config) => requireWithinLimits(request, config, fieldNames),
  whole: chatCompletion,
  encoder: chatCompletionEncoder,
};
