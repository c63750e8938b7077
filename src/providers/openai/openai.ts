import { mediaType } from "../../body.ts";
import type { Generation, GenerationRequest } from "../../generation.ts";
import type { Answer } from "../../operation.ts";
import type { Call, Provider } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { type EmbeddingRules, embedOffer } from "../embeddings.ts";
import { chunkReader } from "../wire/chunks.ts";
import { eventReader } from "../wire/events.ts";
import { type AnswerHead, parseAnswer } from "../wire/json.ts";
import { readAnswer } from "../wire/send.ts";
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
  async function generate(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const body = requestBody(request, call.stream, options);
    const sent = new Set(Object.keys(body));
    const response = await post(options, "/chat/completions", body, call);
    const head: AnswerHead = { provider: options.name, model: String(body.model), createdAtMs: Date.now() };
    switch (mediaType(response.headers)) {
      case "text/event-stream":
        if (!call.stream) throw UpstreamFailure.wire("malformed");
        return {
          ...head,
          read: chunkReader(eventReader(response, call), completionEvents({ choices: choicesAsked(request), sent })),
        };
      case "application/json": {
        const completion = completionFrom(parseAnswer(await readAnswer(response)));
        return { ...head, ...completion, model: completion.model ?? head.model };
      }
      default:
        throw UpstreamFailure.wire("malformed");
    }
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
