import { UpstreamFailure } from "../errors.ts";
import type { Answer, GenerationChunk, GenerationDefaults, GenerationRequest, JsonObject } from "../generation.ts";
import type { Provider } from "../upstream.ts";
import { messageFrom, streamReader } from "./anthropic-answer.ts";
import { anthropicFailure } from "./anthropic-failure.ts";
import { eventData, type Fetch, mediaType, readAnswer, send } from "./http.ts";
import { type AnswerHead, given, parseAnswer } from "./json-body.ts";
import { type ModelRules, modelFor } from "./model.ts";
import { textOf } from "./prompt.ts";

export interface AnthropicOptions extends ModelRules {
  readonly name: string;
  /** For example `https://api.anthropic.com`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly defaults: GenerationDefaults;
  readonly fetch: Fetch;
}

/** Anthropic's Messages API (https://docs.anthropic.com/en/api/messages). It carries conversations of text. */
export function anthropic(options: AnthropicOptions): Provider {
  const url = `${options.baseUrl}/v1/messages`;
  return {
    name: options.name,
    unsupported,
    async generate(request, call): Promise<Answer> {
      const body = requestBody(request, call.stream, options);
      const response = await send(options.fetch, url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "anthropic-version": "2023-06-01",
          "x-request-id": call.requestId,
          traceparent: call.trace.traceparent,
          ...(options.apiKey !== undefined && { "x-api-key": options.apiKey }),
        },
        body: JSON.stringify(body),
        signal: call.signal,
      });
      if (!response.ok) throw await anthropicFailure(response);
      const head: AnswerHead = { provider: options.name, model: String(body.model), createdAtMs: Date.now() };
      switch (mediaType(response.headers)) {
        case "text/event-stream":
          return { ...head, chunks: readChunks(response) };
        case "application/json": {
          const { model, ...rest } = messageFrom(parseAnswer(await readAnswer(response)));
          return { ...head, ...rest, model: model ?? head.model };
        }
        default:
          throw UpstreamFailure.wire("malformed");
      }
    },
  };
}

/** Anthropic's range ends where OpenAI's is half way. */
const maxTemperature = 1;

function unsupported(request: GenerationRequest): string | undefined {
  const { messages, temperature, seed, presencePenalty, frequencyPenalty, responseFormat, stop, extra } = request;
  for (const message of messages) {
    const [member] = Object.keys(message.extra ?? {});
    if (member !== undefined) return `messages.${member}`;
    if (message.name !== undefined) return "messages.name";
    if (message.role === "tool" || message.role === "function") return "messages.role";
    if (textOf(message) === undefined) return "messages.content";
  }
  // Newer models refuse to continue an answer that was begun for them.
  if (messages.at(-1)?.role !== "user") return "messages";
  if (temperature !== undefined && temperature > maxTemperature) return "temperature";
  if (seed !== undefined) return "seed";
  if (presencePenalty) return "presence_penalty";
  if (frequencyPenalty) return "frequency_penalty";
  if (responseFormat !== undefined) return "response_format";
  if (stop?.some((text) => text.trim() === "")) return "stop";
  return Object.keys(extra ?? {})[0];
}

function requestBody(request: GenerationRequest, stream: boolean, options: AnthropicOptions): JsonObject {
  const { defaults } = options;
  const isInstruction = ({ role }: { role: string }) => role === "system" || role === "developer";
  const instructions = request.messages.filter(isInstruction).map((message) => textOf(message) ?? "");
  return {
    model: modelFor(request.model ?? defaults.model, options),
    messages: turnsOf(request.messages.filter((message) => !isInstruction(message))),
    max_tokens: request.maxTokens ?? defaults.maxTokens,
    temperature: request.temperature ?? Math.min(maxTemperature, defaults.temperature),
    ...(instructions.length > 0 && { system: instructions.join("\n\n") }),
    ...given("top_p", request.topP),
    ...given("stop_sequences", request.stop),
    ...(request.user !== undefined && { metadata: { user_id: request.user } }),
    ...(stream && { stream }),
  };
}

/** Turns of user and assistant, one after the other: messages of one role in a row become one turn. */
function turnsOf(messages: GenerationRequest["messages"]): JsonObject[] {
  const turns: { role: string; content: string }[] = [];
  for (const message of messages) {
    const content = textOf(message) ?? "";
    const last = turns.at(-1);
    if (last?.role === message.role) last.content += `\n\n${content}`;
    else turns.push({ role: message.role, content });
  }
  return turns;
}

/** A streamed message's pieces. Only `message_stop` proves that it is complete. */
async function* readChunks(response: Response): AsyncGenerator<GenerationChunk> {
  const reader = streamReader();
  for await (const data of eventData(response)) {
    const { chunk, isEnd } = reader.read(data);
    if (chunk) yield chunk;
    if (isEnd) return;
  }
  throw UpstreamFailure.wire("truncated");
}
