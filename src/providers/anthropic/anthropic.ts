import { mediaType } from "../../body.ts";
import type { Generation, GenerationRequest } from "../../generation.ts";
import type { Answer } from "../../operation.ts";
import type { Call, Provider } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { chunkReader } from "../wire/chunks.ts";
import { eventReader } from "../wire/events.ts";
import { type AnswerHead, parseAnswer } from "../wire/json.ts";
import { callHeaders, type Fetch, readAnswer, send } from "../wire/send.ts";
import { messageEvents, messageFrom } from "./answer.ts";
import { anthropicFailure } from "./failure.ts";
import { type RequestRules, requestBody, unsupportedParameter } from "./request.ts";

export interface AnthropicOptions extends RequestRules {
  readonly name: string;
  /** For example `https://api.anthropic.com`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly contextTokens?: number;
  readonly fetch: Fetch;
}

/** Anthropic, or any service that speaks its Messages API (https://docs.anthropic.com/en/api/messages). It carries conversations of text. */
export function anthropic(options: AnthropicOptions): Provider {
  const url = `${options.baseUrl}/v1/messages`;

  async function generate(request: GenerationRequest, call: Call): Promise<Answer<Generation>> {
    const body = requestBody(request, call.stream, options);
    const response = await send(options.fetch, url, {
      method: "POST",
      headers: requestHeaders(call, options.apiKey),
      body: JSON.stringify(body),
      signal: call.signal,
    });
    if (!response.ok) throw await anthropicFailure(response);
    const head: AnswerHead = { provider: options.name, model: body.model, createdAtMs: Date.now() };
    switch (mediaType(response.headers)) {
      case "text/event-stream":
        if (!call.stream) throw UpstreamFailure.wire("malformed");
        return { ...head, read: chunkReader(eventReader(response, call), messageEvents()) };
      case "application/json": {
        const message = messageFrom(parseAnswer(await readAnswer(response)));
        return { ...head, ...message, model: message.model ?? head.model };
      }
      default:
        throw UpstreamFailure.wire("malformed");
    }
  }

  return {
    name: options.name,
    contextTokens: options.contextTokens,
    offers: { generate: { unsupported: (request) => unsupportedParameter(request, options), ask: generate } },
  };
}

function requestHeaders(call: Call, apiKey: string | undefined): Record<string, string> {
  return {
    ...callHeaders(call),
    "content-type": "application/json",
    "anthropic-version": "2023-06-01",
    ...(apiKey !== undefined && { "x-api-key": apiKey }),
  };
}
