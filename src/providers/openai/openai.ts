import type { GenerationRequest } from "../../generation.ts";
import type { Call, GenerationAnswer, Provider } from "../../upstream.ts";
import { type EmbeddingRules, embedOffer } from "../embeddings.ts";
import { generationIn } from "../wire/answer.ts";
import { completionFrom } from "./answer.ts";
import { completionEvents } from "./chunks.ts";
import { embedder } from "./embeddings.ts";
import { type Endpoint, post } from "./post.ts";
import { choicesAsked, type RequestRules, requestBody } from "./request.ts";

export interface OpenAiOptions extends Endpoint, RequestRules, EmbeddingRules {
  readonly name: string;
  readonly contextTokens?: number;
}

/** OpenAI, or any service that speaks its API (https://platform.openai.com/docs/api-reference), which carries every request. */
export function openai(options: OpenAiOptions): Provider {
  async function generate(request: GenerationRequest, call: Call): Promise<GenerationAnswer> {
    const body = requestBody(request, call.stream, options);
    const response = await post(options, "/chat/completions", body, call);
    return await generationIn(response, call, {
      provider: options.name,
      model: String(body.model),
      whole: completionFrom,
      events: () => completionEvents({ choices: choicesAsked(request), sent: new Set(Object.keys(body)) }),
    });
  }

  return {
    name: options.name,
    contextTokens: options.contextTokens,
    offers: {
      generate: { unsupported: () => undefined, ask: generate },
      embed: embedOffer(options, embedder(options)),
    },
  };
}
