import { mediaType } from "../../body.ts";
import type {
  Answer,
  GenerationChunk,
  GenerationDefaults,
  GenerationRequest,
  GenerationStream,
  JsonObject,
  JsonValue,
} from "../../generation.ts";
import { isJsonObject, parseJson } from "../../json.ts";
import type { Call, Provider } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { type ModelRules, modelFor } from "../model.ts";
import { batches } from "../wire/batches.ts";
import { callHeaders, type EventReader, eventReader, type Fetch, readAnswer, send } from "../wire/http.ts";
import { type AnswerHead, given, parseAnswer } from "../wire/json.ts";
import { chunksFrom, completionFrom } from "./answer.ts";
import { failureOf, streamedFailure } from "./failure.ts";

export interface OpenAiOptions extends ModelRules {
  readonly name: string;
  /** Of the API's version, for example `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly contextTokens?: number;
  readonly defaults: GenerationDefaults;
  readonly fetch: Fetch;
}

/** OpenAI, or any service that speaks its Chat Completions API (https://platform.openai.com/docs/api-reference/chat). It carries every request. */
export function openai(options: OpenAiOptions): Provider {
  const url = `${options.baseUrl}/chat/completions`;
  return {
    name: options.name,
    contextTokens: options.contextTokens,
    unsupported: () => undefined,
    async generate(request, call) {
      const body = requestBody(request, call.stream, options);
      const sent = new Set(Object.keys(body));
      const response = await send(options.fetch, url, {
        method: "POST",
        headers: requestHeaders(call, options.apiKey),
        body: JSON.stringify(body),
        signal: call.signal,
      });
      if (!response.ok) throw await failureOf(response, sent);
      const answer = { provider: options.name, model: String(body.model), createdAtMs: Date.now() };
      switch (mediaType(response.headers)) {
        case "text/event-stream":
          if (!call.stream) throw UpstreamFailure.wire("malformed");
          return { ...answer, read: chunkReader(eventReader(response, call), choicesAsked(request), sent) };
        case "application/json":
          return await readCompletion(response, answer);
        default:
          throw UpstreamFailure.wire("malformed");
      }
    },
  };
}

function requestHeaders(call: Call, apiKey: string | undefined): Record<string, string> {
  return {
    ...callHeaders(call),
    "content-type": "application/json",
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
  };
}

/** Models that think first: they take `max_completion_tokens` only, and no temperature but their own. */
const reasoningModel = /^(o\d|gpt-5)/;

function requestBody(request: GenerationRequest, stream: boolean, options: OpenAiOptions): JsonObject {
  const { defaults } = options;
  const model = modelFor(request.model ?? defaults.model, options);
  const reasons = reasoningModel.test(model);
  return {
    ...request.extra,
    model,
    messages: request.messages.map(({ role, content, name, extra }) => ({
      role,
      content,
      ...(name !== undefined && { name }),
      ...extra,
    })),
    [reasons ? "max_completion_tokens" : "max_tokens"]: request.maxTokens ?? defaults.maxTokens,
    ...given("temperature", request.temperature ?? (reasons ? undefined : defaults.temperature)),
    ...given("top_p", request.topP),
    ...given("stop", request.stop),
    ...given("seed", request.seed),
    ...given("presence_penalty", request.presencePenalty),
    ...given("frequency_penalty", request.frequencyPenalty),
    ...given("response_format", request.responseFormat && { type: request.responseFormat }),
    ...given("user", request.user),
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
  };
}

function choicesAsked(request: GenerationRequest): number {
  const n = request.extra?.n;
  return typeof n === "number" ? n : 1;
}

async function readCompletion(response: Response, head: AnswerHead): Promise<Answer> {
  const completion = completionFrom(parseAnswer(await readAnswer(response)));
  return { ...head, ...completion, model: completion.model ?? head.model };
}

/** How long usage is waited for after a completion's last finish reason. */
const usageLimitMs = 1_000;

/**
 * A streamed completion as it comes. It is complete when every choice has its finish reason, whatever comes after that;
 * until then an end, also a `[DONE]`, is a truncation, and a malformed event is skipped in the hope that the rest proves
 * complete.
 */
function chunkReader(events: EventReader, choices: number, sent: ReadonlySet<string>): GenerationStream["read"] {
  const finished = new Set<number>();
  const isFinished = () => finished.size === choices;
  let hasUsage = false;
  let isOver = false;

  function take(data: string, batch: GenerationChunk[]): void {
    for (const chunk of chunksIn(data, choices, sent) ?? [{ choice: 0, delta: "", hasGap: true }]) {
      if (chunk.finishReason) finished.add(chunk.choice);
      hasUsage ||= chunk.usage !== undefined;
      batch.push(chunk);
    }
  }

  return batches(async (batch) => {
    if (isOver) return false;
    try {
      const found = await events.read(isFinished() ? usageLimitMs : undefined);
      isOver = found === undefined;
      for (const data of found ?? []) {
        isOver = data === "[DONE]";
        if (isOver) break;
        take(data, batch);
        // Usage comes last, so nothing is worth waiting for after it.
        isOver = isFinished() && hasUsage;
        if (isOver) break;
      }
    } catch (error) {
      if (!isFinished()) throw error;
      isOver = true;
    }
    if (isOver) events.leave();
    if (isOver && !isFinished()) throw UpstreamFailure.wire("truncated");
    return true;
  });
}

/** Undefined where the event cannot be understood. Throws where it says that the answer has failed. */
function chunksIn(data: string, choices: number, sent: ReadonlySet<string>): GenerationChunk[] | undefined {
  let value: JsonValue;
  try {
    value = parseJson(data);
  } catch {
    return undefined;
  }
  if (isJsonObject(value) && value.error) throw streamedFailure(value, sent);
  return chunksFrom(value, choices);
}
