import * as z from "zod/mini";
import { finishReasons } from "../../generation.ts";

/** What this surface answers (https://platform.openai.com/docs/api-reference): its encoders' types and its description. */

const count = z.int().check(z.nonnegative());
const finishReason = z.enum(finishReasons);
const logprobs = z.unknown().check(z.describe("As the provider gave it; null where nobody asked for it."));
const usage = z.nullable(z.looseObject({ prompt_tokens: count, completion_tokens: count, total_tokens: count }));
const completion = { id: z.string(), created: count.check(z.describe("Unix time in seconds.")), model: z.string() };

export const ChatCompletion = z.object({
  ...completion,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({
      index: count,
      message: z.looseObject({
        role: z.literal("assistant"),
        content: z.nullable(z.string()),
        refusal: z.nullable(z.string()),
      }),
      logprobs,
      finish_reason: finishReason,
    }),
  ),
  usage: usage.check(z.describe("Null where the provider did not report it.")),
});
export type ChatCompletion = z.infer<typeof ChatCompletion>;

export const ChatCompletionChunk = z.object({
  ...completion,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: count,
      delta: z.looseObject({ role: z.optional(z.literal("assistant")), content: z.optional(z.nullable(z.string())) }),
      logprobs,
      finish_reason: z.nullable(finishReason),
    }),
  ),
  usage: z
    .optional(usage)
    .check(
      z.describe("Only where `stream_options.include_usage` asks for it, and then null in all but the last chunk."),
    ),
});
export type ChatCompletionChunk = z.infer<typeof ChatCompletionChunk>;

const textChoice = { index: count, text: z.string(), logprobs: z.null() };

export const TextCompletion = z.object({
  ...completion,
  object: z.literal("text_completion"),
  choices: z.array(z.object({ ...textChoice, finish_reason: finishReason })),
  usage: usage.check(z.describe("Null where the provider did not report it.")),
});
export type TextCompletion = z.infer<typeof TextCompletion>;

export const TextCompletionChunk = z.object({
  ...completion,
  object: z.literal("text_completion"),
  choices: z.array(
    z.object({
      ...textChoice,
      delta: z.object({ content: z.optional(z.string()) }).check(z.describe("The same text once more.")),
      finish_reason: z.nullable(finishReason),
    }),
  ),
  usage: z
    .optional(usage)
    .check(
      z.describe(
        "In the chunk that ends the text, and where `stream_options.include_usage` asks for it in one of its own.",
      ),
    ),
});
export type TextCompletionChunk = z.infer<typeof TextCompletionChunk>;

export const EmbeddingList = z.object({
  object: z.literal("list"),
  data: z.array(
    z.object({
      object: z.literal("embedding"),
      index: count,
      embedding: z
        .union([z.array(z.number()), z.string()])
        .check(z.describe("Numbers, or with `encoding_format: base64` the base64 of little-endian float32.")),
    }),
  ),
  model: z.string().check(z.describe("The model that embedded: vectors of different ones cannot be compared.")),
  usage: z
    .nullable(z.object({ prompt_tokens: count, total_tokens: count }))
    .check(z.describe("Null where the provider did not report it.")),
});

export const Model = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count.check(z.describe("Not known of any model: 0.")),
  owned_by: z.string(),
});
export type Model = z.infer<typeof Model>;

export const ModelList = z.object({ object: z.literal("list"), data: z.array(Model) });
export type ModelList = z.infer<typeof ModelList>;

export const OpenAiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.nullable(z.string()).check(z.describe("The field or header at fault.")),
    code: z.string().check(z.describe("The reason, for programs.")),
    request_id: z.string(),
  }),
});
export type OpenAiError = z.infer<typeof OpenAiError>;
