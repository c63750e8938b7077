import { mediaType } from "../../body.ts";
import type { Generation, GenerationRequest } from "../../generation.ts";
import type { Answer } from "../../operation.ts";
import type { Call, Provider } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { chunkReader } from "../wire/chunks.ts";
import { eventReader } from "../wire/events.ts";
import { type AnswerHead, parseAnswer } from "../wire/json.ts";
import { callHeaders, type Fetch, readAnswer, send } from "../wire/send.ts";
import { completionFrom } from "./answer.ts";
import { completionEvents } from "./chunks.ts";
import { openAiFailure } from "./failure.ts";
import { choicesAsked, type RequestRules, requestBody } from "./request.ts";

export interface OpenAiOptions extends RequestRules {
  readonly name: string;
  /** Of the API's version, for example `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly contextTokens?: number;
  readonly fetch: Fetch;
}

/** OpenAI, or any service that speaks its API (https://platform.openai.com/docs/api-reference). Its chat completions carry every request. */
export function openai(options: OpenAiOptions): Provider {
  const url = `${options.baseUrl}/chat/completions`;

  async function generate(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const body = requestBody(request, call.stream, options);
    const sent = new Set(Object.keys(body));
    const response = await send(options.fetch, url, {
      method: "POST",
      headers: requestHeaders(call, options.apiKey),
      body: JSON.stringify(body),
      signal: call.signal,
    });
    if (!response.ok) throw await openAiFailure(response, sent);
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
    offers: { generate: { unsupported: () => undefined, ask: generate } },
  };
}

function requestHeaders(call: Call, apiKey: string | undefined): Record<string, string> {
  return {
    ...callHeaders(call),
    "content-type": "application/json",
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
  };
}
