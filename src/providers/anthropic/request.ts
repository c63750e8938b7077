import {
  defaultsFor,
  type GenerationDefaults,
  type GenerationRequest,
  type JsonObject,
  type Message,
} from "../../generation.ts";
import { neededInMessage, neededInRequest, optionalParameters } from "../../parameters.ts";
import { type ModelRules, modelFor } from "../model.ts";
import { textOf } from "../prompt.ts";
import { optionalMember } from "../wire/json.ts";

export interface RequestRules extends ModelRules {
  readonly defaults: GenerationDefaults;
}

/** The first parameter that the Messages API cannot carry for the model that it would be asked for, by its wire name. */
export function unsupportedParameter(request: GenerationRequest, rules: RequestRules): string | undefined {
  const { seed, presencePenalty, frequencyPenalty, responseFormat, stop } = request;
  const inMessages = request.messages.map(unsupportedMember).find((member) => member !== undefined);
  if (inMessages !== undefined) return `messages.${inMessages}`;
  const turns = turnsOf(request.messages);
  // The user opens a conversation, and newer models refuse to continue an answer that was begun for them.
  if (turns.at(0)?.role !== "user" || turns.at(-1)?.role !== "user") return "messages";
  const inSampling = unsupportedSampling(request, modelOf(request, rules));
  if (inSampling !== undefined) return inSampling;
  if (seed !== undefined) return "seed";
  if (presencePenalty) return "presence_penalty";
  if (frequencyPenalty) return "frequency_penalty";
  if (responseFormat !== undefined) return "response_format";
  if (stop?.some(isBlank)) return "stop";
  return neededInRequest(request);
}

/** What it leaves out. */
export function omittedParameters(request: GenerationRequest): string[] {
  const omitted = optionalParameters(request);
  return request.user !== undefined && userId(request) === undefined ? [...omitted, "user"] : omitted;
}

/** Anthropic answers 400 to ids that look like an address of e-mail. */
function userId({ user }: GenerationRequest): string | undefined {
  return user !== undefined && /\S@\S/.test(user) ? undefined : user;
}

/** A request's body. Whatever `unsupportedParameter` names is not in it. */
export function requestBody(request: GenerationRequest, stream: boolean, rules: RequestRules) {
  const model = modelOf(request, rules);
  const instructions = request.messages.filter(isInstruction).map(plainText);
  const system = instructions.filter((text) => !isBlank(text)).join("\n\n");
  const defaults = defaultsFor(request, rules.defaults);
  const user = userId(request);
  return {
    model,
    messages: turnsOf(request.messages),
    max_tokens: request.maxTokens ?? tokensWithin(model, defaults.maxTokens),
    ...samplingOf(request, model, defaults.temperature),
    ...optionalMember("system", system || undefined),
    ...optionalMember("stop_sequences", request.stop),
    ...optionalMember(
      "output_config",
      request.structure && { format: { type: "json_schema", schema: request.structure.schema } },
    ),
    ...optionalMember("metadata", user === undefined ? undefined : { user_id: user }),
    ...(stream && { stream }),
  };
}

/** How long an answer may be, by the model's name (https://platform.claude.com/docs/en/about-claude/models/overview). */
const mostTokens: readonly (readonly [RegExp, number])[] = [
  [/^claude-(2|instant|3-(opus|sonnet|haiku))/, 4_096],
  [/^claude-3-5-/, 8_192],
  [/^claude-opus-4(-[01](?!\d)|-\d{8}|$)/, 32_000],
  [/^claude-(3-7-|sonnet-4(-0(?!\d)|-\d{8}|$)|(opus|sonnet|haiku)-4-5(?!\d))/, 64_000],
  [/^claude-(opus|sonnet)-4-[6-9](?!\d)/, 128_000],
  // Each new one has had at least as much as those before it.
  [/^claude-/, 64_000],
];

/** The API needs a limit where the caller gave none: ours within the model's own, or that; what every model takes where neither is known. */
function tokensWithin(model: string, ours?: number): number {
  const most = mostTokens.find(([name]) => name.test(model))?.[1];
  return Math.min(ours ?? most ?? 4_096, most ?? Number.POSITIVE_INFINITY);
}

function modelOf(request: GenerationRequest, rules: RequestRules): string {
  return modelFor(request.model ?? rules.defaults.model, rules);
}

function unsupportedMember(message: Message): string | undefined {
  const member = neededInMessage(message);
  if (member !== undefined) return member;
  if (message.name !== undefined) return "name";
  if (message.role === "tool" || message.role === "function") return "role";
  const text = textOf(message);
  // A turn that says nothing is refused; instructions that say nothing can be left out.
  if (text === undefined || (isBlank(text) && !isInstruction(message))) return "content";
  return undefined;
}

const isInstruction = ({ role }: Message) => role === "system" || role === "developer";
const plainText = (message: Message) => textOf(message) ?? "";
const isBlank = (text: string) => text.trim() === "";

interface Turn extends JsonObject {
  readonly role: Message["role"];
  readonly content: string;
}

/** The conversation without its instructions, user and assistant by turns: messages of one role in a row become one. */
function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    if (isInstruction(message)) continue;
    const { role } = message;
    const content = plainText(message);
    const last = turns.at(-1);
    if (last?.role === role) turns[turns.length - 1] = { role, content: `${last.content}\n\n${content}` };
    else turns.push({ role, content });
  }
  return turns;
}

/** Anthropic's range ends where OpenAI's is half way. */
const maxTemperature = 1;

/**
 * Claude's models up to Opus 4.6, Sonnet 4.6 and Haiku 4.5 take a temperature or a top_p, not both; all newer ones answer
 * 400 to either (https://platform.claude.com/docs/en/about-claude/models/migration-guide).
 */
const samplingClaude = /^claude-(\d|instant|(opus|sonnet|haiku)-4(-[0-6](?!\d)|-\d{8}|$))/;
const takesSampling = (model: string) => !model.startsWith("claude-") || samplingClaude.test(model);

/** 1 is what both parameters are where nobody chose them, and every model takes that when it is left out. */
const chosen = (value: number | undefined) => (value === 1 ? undefined : value);

function unsupportedSampling(request: GenerationRequest, model: string): string | undefined {
  const temperature = chosen(request.temperature);
  const takes = takesSampling(model);
  if (temperature !== undefined && (!takes || temperature > maxTemperature)) return "temperature";
  if (chosen(request.topP) !== undefined && (!takes || temperature !== undefined)) return "top_p";
  return undefined;
}

function samplingOf(request: GenerationRequest, model: string, ours: number | undefined): JsonObject {
  if (!takesSampling(model)) return {};
  const topP = chosen(request.topP);
  if (topP !== undefined) return { top_p: topP };
  return optionalMember("temperature", request.temperature ?? (ours && Math.min(maxTemperature, ours)));
}
