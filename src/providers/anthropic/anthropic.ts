import type { GenerationRequest } from "../../generation.ts";
import type { Call, GenerationAnswer, Provider } from "../../upstream.ts";
import { namedModels, takes } from "../model.ts";
import { createAdditions, parametersOf } from "../wire/additions.ts";
import { generationIn } from "../wire/answer.ts";
import { modelList } from "../wire/model-list.ts";
import { callHeaders, type Fetch, send } from "../wire/send.ts";
import { failureOf } from "../wire/told-error.ts";
import { messageEvents, messageFrom } from "./answer.ts";
import { omittedParameters, type RequestRules, requestBody, unsupportedParameter } from "./request.ts";

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

  const withoutRefused = createAdditions();

  async function generate(request: GenerationRequest, call: Call): Promise<GenerationAnswer> {
    const composed = requestBody(request, call.stream, options);
    // The API needs the other default, of max_tokens.
    const added = new Set(request.temperature === undefined ? ["temperature"] : []);
    // Claude's models before 4.5 refuse it.
    const instead = request.structure && { output_config: [] };
    if (instead) added.add("output_config");
    return await withoutRefused(composed.model, { body: composed, added, instead }, async (asked) => {
      const response = await send(options.fetch, url, {
        method: "POST",
        headers: requestHeaders(call, options.apiKey),
        body: JSON.stringify(asked.body),
        signal: call.signal,
      });
      if (!response.ok) throw await failureOf(response, parametersOf(asked));
      return await generationIn(response, call, {
        provider: options.name,
        model: composed.model,
        whole: messageFrom,
        events: messageEvents,
      });
    });
  }

  return {
    name: options.name,
    contextTokens: options.contextTokens,
    namedModels: namedModels(options),
    async listModels(signal, hops) {
      const { fetch, baseUrl, apiKey } = options;
      const list = { fetch, url: `${baseUrl}/v1/models?limit=1000`, headers: credentials(apiKey), signal, hops };
      return (await modelList(list)).filter((name) => takes(name, options));
    },
    offers: {
      generate: {
        unsupported: (request) => unsupportedParameter(request, options),
        omitted: omittedParameters,
        ask: generate,
      },
    },
  };
}

function requestHeaders(call: Call, apiKey: string | undefined): Record<string, string> {
  return {
    ...callHeaders(call),
    "content-type": "application/json",
    ...credentials(apiKey),
  };
}

function credentials(apiKey: string | undefined): Record<string, string> {
  return { "anthropic-version": "2023-06-01", ...(apiKey !== undefined && { "x-api-key": apiKey }) };
}
