import type { GenerationRequest } from "../../generation.ts";
import type { Call, GenerationAnswer, Provider } from "../../upstream.ts";
import { type EmbeddingRules, embedOffer } from "../embeddings.ts";
import { namedModels, takes } from "../model.ts";
import { createAdditions, parametersOf } from "../wire/additions.ts";
import { generationIn } from "../wire/answer.ts";
import { modelList } from "../wire/model-list.ts";
import { completionFrom } from "./answer.ts";
import { completionEvents } from "./chunks.ts";
import { embedder } from "./embeddings.ts";
import { authorization, type Endpoint, post } from "./post.ts";
import { choicesAsked, type RequestRules, requestBody } from "./request.ts";

export interface OpenAiOptions extends Endpoint, RequestRules, EmbeddingRules {
  readonly name: string;
  readonly contextTokens?: number;
}

/** OpenAI, or any service that speaks its API (https://platform.openai.com/docs/api-reference), which carries every request. */
export function openai(options: OpenAiOptions): Provider {
  const withoutRefused = createAdditions();

  async function generate(request: GenerationRequest, call: Call): Promise<GenerationAnswer> {
    const composed = requestBody(request, call.stream, options);
    const model = String(composed.body.model);
    return await withoutRefused(model, composed, async (asked) => {
      const response = await post(options, "/chat/completions", asked, call);
      const sent = parametersOf(asked);
      return await generationIn(response, call, {
        provider: options.name,
        model,
        whole: (value) => completionFrom(value, sent),
        events: () => completionEvents({ choices: choicesAsked(request), sent }),
      });
    });
  }

  return {
    name: options.name,
    contextTokens: options.contextTokens,
    namedModels: namedModels(options),
    async listModels(signal, hops) {
      const { fetch, baseUrl } = options;
      const names = await modelList({ fetch, url: `${baseUrl}/models`, headers: authorization(options), signal, hops });
      return names.filter((name) => takes(name, options));
    },
    offers: {
      generate: { unsupported: () => undefined, ask: generate },
      embed: embedOffer(options, embedder(options)),
    },
  };
}
