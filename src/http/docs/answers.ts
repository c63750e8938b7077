import * as z from "zod/mini";
import { finishReasons } from "../../generation.ts";

/** What the surfaces answer, and what the contract's JSON looks like, for the API's description; a test holds real answers against it. */

const count = z.int().check(z.nonnegative());
const finishReason = z.enum(finishReasons);
const rfc3339 = z.string().check(z.describe("RFC 3339, UTC."));
const unreported = z.describe("Null where the provider did not report it.");

const completion = { id: z.string(), created: count.check(z.describe("Unix time in seconds.")), model: z.string() };
const tokenCounts = z.nullable(z.looseObject({ prompt_tokens: count, completion_tokens: count, total_tokens: count }));

export const chatCompletionAnswer = z.object({
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
      logprobs: z.nullable(z.looseObject({})),
      finish_reason: finishReason,
    }),
  ),
  usage: tokenCounts.check(unreported),
});

export const chatCompletionChunk = z.object({
  ...completion,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: count,
      delta: z.looseObject({ role: z.optional(z.literal("assistant")), content: z.optional(z.nullable(z.string())) }),
      logprobs: z.nullable(z.looseObject({})),
      finish_reason: z.nullable(finishReason),
    }),
  ),
  usage: z
    .optional(tokenCounts)
    .check(
      z.describe("Only where `stream_options.include_usage` asks for it, and then null in all but the last chunk."),
    ),
});

export const modelAnswer = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count.check(z.describe("Not known of any model: 0.")),
  owned_by: z.string(),
});

export const modelsAnswer = z.object({ object: z.literal("list"), data: z.array(modelAnswer) });

export const openAiErrorAnswer = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.nullable(z.string()).check(z.describe("The field or header at fault.")),
    code: z.string().check(z.describe("The reason, for programs.")),
    request_id: z.string(),
  }),
});

const envelope = {
  message: z.string(),
  timestamp: count.check(z.describe("Unix time in milliseconds.")),
  request_id: z.string(),
};
const usage = z.nullable(z.object({ promptTokens: count, completionTokens: count, totalTokens: count }));
const generated = {
  model: z.string().check(z.describe("The model that answered.")),
  tokensUsed: z.nullable(count).check(unreported),
  finishReason,
  usage: usage.check(unreported),
  provider: z.string().check(z.describe("Who answered.")),
};

export const generateAnswer = z.object({
  ...envelope,
  code: z.literal(0),
  data: z.object({ ...generated, content: z.string(), generatedAt: rfc3339 }),
});

export const generateMessageEvent = z.object({ delta: z.string() });
export const generateDoneEvent = z.object({ ...generated, requestId: z.string() });
export const generateErrorEvent = z.object({ code: z.int(), message: z.string(), requestId: z.string() });

export const purgedAnswer = z.object({
  ...envelope,
  code: z.literal(0),
  data: z.object({ purged: z.enum(["all", "one"]) }),
});

export const qingyuErrorAnswer = z.object({
  ...envelope,
  code: z.int().check(z.describe("The platform's number.")),
  data: z.null(),
  error: z.string().check(z.describe("The reason, for programs.")),
  param: z.optional(z.string()).check(z.describe("The field or header at fault.")),
});

const status = z.enum(["healthy", "degraded", "unhealthy"]);

/** Protobuf's JSON leaves out what has its default value, so every field is optional. */
export const serviceRequest = z.object({
  projectId: z.optional(z.string()),
  chapterId: z.optional(z.string()),
  userId: z.optional(z.string()),
  prompt: z.optional(z.string()).check(z.describe("The whole request as one text; `messages` is preferred.")),
  messages: z.optional(
    z.array(
      z.object({
        role: z.enum(["system", "user", "assistant", "tool"]),
        content: z.optional(z.string()),
        name: z.optional(z.string()),
      }),
    ),
  ),
  options: z.optional(
    z.object({
      model: z.optional(z.string()),
      maxTokens: z.optional(count),
      temperature: z.optional(z.number()).check(z.describe("0 counts as absent.")),
      topP: z.optional(z.number()),
      stop: z.optional(z.array(z.string())),
      seed: z.optional(z.string()).check(z.describe("A 64-bit integer, as text.")),
      presencePenalty: z.optional(z.number()),
      frequencyPenalty: z.optional(z.number()),
      responseFormat: z.optional(z.enum(["text", "json_object"])),
    }),
  ),
});

export const serviceAnswer = z.object({
  content: z.optional(z.string()),
  tokensUsed: z.optional(count),
  model: z.optional(z.string()),
  generatedAt: z.optional(z.string()).check(z.describe("Unix time in seconds, as text.")),
  finishReason: z.optional(finishReason),
  usage: z.optional(
    z.object({
      promptTokens: z.optional(count),
      completionTokens: z.optional(count),
      totalTokens: z.optional(count),
    }),
  ),
});

export const serviceHealthAnswer = z.object({ status, checks: z.optional(z.record(z.string(), status)) });
export const connectErrorAnswer = z.object({ code: z.string(), message: z.optional(z.string()) });

const breaker = z.enum(["closed", "open", "half_open"]);
const dependencies = z.record(z.string(), z.object({ status, breaker, latencyMs: z.optional(z.number()) }));

export const liveAnswer = z.object({ status: z.literal("alive") });
export const readyAnswer = z.object({
  status: z.enum(["ready", "degraded", "unready"]),
  warnings: z.array(z.string()),
  auth: z.optional(z.enum(["open", "api-key"])),
  dependencies: z.optional(dependencies),
  problems: z
    .optional(z.array(z.object({ setting: z.string(), reason: z.string(), expected: z.string() })))
    .check(z.describe("What is wrong with the settings: names and reasons, never values.")),
});
export const healthAnswer = z.object({ status, service: z.string(), timestamp: rfc3339, dependencies });
