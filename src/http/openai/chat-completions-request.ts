import * as z from "zod/mini";
import {
  type GenerationRequest,
  type JsonObject,
  type JsonValue,
  type Message,
  maxContentParts,
  maxMessages,
} from "../../generation.ts";
import { saying } from "../../parameters.ts";
import type { Asked } from "../call.ts";
import { invalidValue, missingField } from "../invalid.ts";
import { refuseSteering } from "./steering.ts";

export const modelName = z.string().check(z.minLength(1), z.maxLength(256));
const tokens = z.int().check(z.gte(1));
const stopText = z.string().check(z.minLength(1), z.maxLength(1024));
const penalty = z.number().check(z.gte(-2), z.lte(2));
export const user = z
  .nullish(z.string().check(z.maxLength(512)))
  .check(z.describe("The end user on whose behalf the request is made."));
const contentPart = z.looseObject({ type: z.string() });

const message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.nullish(z.union([z.string(), z.array(contentPart).check(z.minLength(1), z.maxLength(maxContentParts))])),
  name: z.nullish(z.string()),
});

/**
 * The body of `POST /v1/chat/completions` (https://platform.openai.com/docs/api-reference/chat/create). Only what the
 * gateway itself acts on is described; everything else is taken as it is and carried to the providers that understand it.
 * As in OpenAI's API, null is the same as absent.
 */
export const chatCompletionRequest = z.looseObject({
  model: z
    .nullish(modelName)
    .check(z.describe("A name that `GET /v1/models` lists or a provider knows; left out, the gateway's own choice.")),
  messages: z
    .array(message)
    .check(z.minLength(1), z.maxLength(maxMessages), z.describe("The conversation, oldest message first.")),
  max_tokens: z.nullish(tokens).check(z.describe("The older name of `max_completion_tokens`.")),
  max_completion_tokens: z.nullish(tokens).check(z.describe("The most tokens that the answer may have.")),
  temperature: z.nullish(z.number().check(z.gte(0), z.lte(2))),
  top_p: z.nullish(z.number().check(z.gte(0), z.lte(1))),
  stop: z.nullish(z.union([stopText, z.array(stopText).check(z.maxLength(16))])),
  seed: z.nullish(z.int()).check(z.describe("The same seed and request should give the same answer.")),
  presence_penalty: z.nullish(penalty),
  frequency_penalty: z.nullish(penalty),
  response_format: z.nullish(z.looseObject({ type: z.string() })),
  n: z.nullish(z.int().check(z.gte(1), z.lte(128))),
  user,
  stream: z.nullish(z.boolean()).check(z.describe("Whether the answer comes piece by piece, as server-sent events.")),
  stream_options: z.nullish(z.looseObject({ include_usage: z.nullish(z.boolean()) })),
});
type ChatCompletionRequest = z.infer<typeof chatCompletionRequest>;

export interface ChatCompletionCall extends Asked<GenerationRequest> {
  /** Whether a stream's usage is asked for in a chunk of its own. */
  readonly includeUsage: boolean;
}

/** The parsed body as the domain has it. Throws `invalid_request` where two fields contradict each other, or one steers. */
export function fromChatCompletionRequest(body: ChatCompletionRequest): ChatCompletionCall {
  const {
    model,
    messages,
    max_tokens,
    max_completion_tokens,
    temperature,
    top_p,
    stop,
    seed,
    presence_penalty,
    frequency_penalty,
    response_format,
    user,
    stream,
    stream_options,
    ...rest
  } = body;
  refuseSteering(rest);
  if (max_tokens && max_completion_tokens && max_tokens !== max_completion_tokens) {
    throw invalidValue("max_tokens", "'max_tokens' and 'max_completion_tokens' differ; send one of them.");
  }
  const isPlainFormat = !response_format || response_format.type === "text" || response_format.type === "json_object";
  const { include_usage, ...streamOptions } = stream_options ?? {};
  const others = {
    ...rest,
    ...(!isPlainFormat && { response_format }),
    // Without a stream OpenAI refuses them.
    ...(stream && { stream_options: saying(jsonMembers(streamOptions), "request") }),
  };
  return {
    stream: stream ?? false,
    includeUsage: include_usage ?? false,
    names: max_completion_tokens ? { max_tokens: "max_completion_tokens" } : { max_completion_tokens: "max_tokens" },
    request: {
      model: model ?? undefined,
      messages: messages.map(fromMessage),
      maxTokens: max_completion_tokens ?? max_tokens ?? undefined,
      maxTokensName: max_completion_tokens ? "max_completion_tokens" : max_tokens ? "max_tokens" : undefined,
      temperature: temperature ?? undefined,
      topP: top_p ?? undefined,
      stop: typeof stop === "string" ? [stop] : stop?.length ? stop : undefined,
      seed: seed ?? undefined,
      presencePenalty: presence_penalty ?? undefined,
      frequencyPenalty: frequency_penalty ?? undefined,
      responseFormat: response_format?.type === "json_object" ? "json_object" : undefined,
      user: user ?? undefined,
      extra: saying(jsonMembers(others), "request"),
      isAsWritten: true,
    },
  };
}

function fromMessage({ role, content, name, ...rest }: z.infer<typeof message>, index: number): Message {
  if ((content ?? null) === null && role !== "assistant") {
    throw missingField(`messages[${index}].content`);
  }
  return {
    role,
    content: Array.isArray(content) ? contentOf(content) : (content ?? null),
    name: name ?? undefined,
    extra: saying(jsonMembers(rest), "message"),
  };
}

/** A text alone is what a text is that stands in no list. */
function contentOf(given: readonly z.infer<typeof contentPart>[]): Message["content"] {
  const parts = given.map((part) => saying(jsonMembers(part), "part") ?? {});
  const [only] = parts;
  const isText = parts.length === 1 && only?.type === "text" && Object.keys(only).length === 2;
  return isText && typeof only.text === "string" ? only.text : parts;
}

/** Members to carry, of what JSON text was parsed into: zod types unknown ones as unknown. */
export function jsonMembers(members: Record<string, unknown>): JsonObject {
  const given = Object.entries(members).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return Object.fromEntries(given);
}
