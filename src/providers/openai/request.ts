import { defaultsFor, type GenerationDefaults, type GenerationRequest, type JsonObject } from "../../generation.ts";
import { isJsonObject } from "../../json.ts";
import { type ModelRules, modelFor } from "../model.ts";
import type { Composed } from "../wire/additions.ts";
import { optionalMember } from "../wire/json.ts";

export interface RequestRules extends ModelRules {
  readonly defaults: GenerationDefaults;
}

/** Models that think first: they take `max_completion_tokens` only, and no temperature but their own. */
const reasoningModel = /^(o\d|gpt-5)/;

/** Models whose thoughts count as part of the answer, as far as names tell. */
const thinkingModel = /^(o\d|gpt-5)|reason|think|qwq|(^|[-/])r1\b/i;
/** What they may think where only the answer's length is known. */
const thoughtTokens = 8_000;

/**
 * A chat completion request's body (https://platform.openai.com/docs/api-reference/chat/create), in which an answer's length
 * is called as the caller calls it.
 */
export function requestBody(request: GenerationRequest, stream: boolean, rules: RequestRules): Composed {
  const { defaults } = rules;
  const model = modelFor(request.model ?? defaults.model, rules);
  const reasons = reasoningModel.test(model);
  const { temperature, maxTokens } = defaultsFor(request, defaults);
  const format = responseFormatOf(request);
  const maxTokensName = reasons ? "max_completion_tokens" : (request.maxTokensName ?? "max_tokens");
  const added = new Set<string>();
  if (request.maxTokens === undefined) added.add(maxTokensName);
  if (request.temperature === undefined) added.add("temperature");
  if (stream && !streamOptionsOf(request)) added.add("stream_options");
  if (request.structure) added.add("response_format");
  const body: JsonObject = {
    ...request.extra,
    model,
    messages: request.messages.map(({ role, content, name, extra }) => ({
      role,
      content,
      ...(name !== undefined && { name }),
      ...extra,
    })),
    ...optionalMember(maxTokensName, request.maxTokens ?? withThoughts(maxTokens, request, { model, defaults })),
    ...optionalMember("temperature", request.temperature ?? (reasons ? undefined : temperature)),
    ...optionalMember("top_p", request.topP),
    ...optionalMember("stop", request.stop),
    ...optionalMember("seed", request.seed),
    ...optionalMember("presence_penalty", request.presencePenalty),
    ...optionalMember("frequency_penalty", request.frequencyPenalty),
    ...optionalMember("response_format", format),
    ...optionalMember("user", request.user),
    ...(stream && { stream: true, stream_options: { ...streamOptionsOf(request), include_usage: true } }),
  };
  return { body, added, instead: request.structure && { response_format: [{ type: "json_object" }] } };
}

/** How long an answer may be whose caller does not say it, with room for thoughts where the suggestion knows of none. */
function withThoughts(
  maxTokens: number | undefined,
  { suggested }: GenerationRequest,
  { model, defaults }: { readonly model: string; readonly defaults: GenerationDefaults },
): number | undefined {
  const isSuggested = suggested?.maxTokens !== undefined;
  if (maxTokens === undefined || !isSuggested || !thinkingModel.test(model)) return maxTokens;
  return Math.min(maxTokens + thoughtTokens, defaults.mostTokens);
}

function responseFormatOf({ responseFormat, structure }: GenerationRequest): JsonObject | undefined {
  if (structure) return { type: "json_schema", json_schema: { ...structure, strict: true } };
  return responseFormat && { type: responseFormat };
}

function streamOptionsOf({ extra }: GenerationRequest): JsonObject | undefined {
  return isJsonObject(extra?.stream_options) ? extra.stream_options : undefined;
}

/** How many choices a request asks for. */
export function choicesAsked(request: GenerationRequest): number {
  const n = request.extra?.n;
  return typeof n === "number" ? n : 1;
}
