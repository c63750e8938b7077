import * as z from "zod/mini";
import { finishReasons } from "../generation.ts";

/** What the faces answer, for the API's description; a test holds real answers against it. */

const count = z.int().check(z.nonnegative());
const nothing = z.null();

export const chatCompletionAnswer = z.object({
  id: z.string(),
  object: z.literal("chat.completion"),
  created: count,
  model: z.string(),
  choices: z.array(
    z.object({
      index: count,
      message: z.looseObject({
        role: z.literal("assistant"),
        content: z.nullable(z.string()),
        refusal: z.nullable(z.string()),
      }),
      logprobs: z.nullable(z.looseObject({})),
      finish_reason: z.enum(finishReasons),
    }),
  ),
  usage: z.nullable(z.looseObject({ prompt_tokens: count, completion_tokens: count, total_tokens: count })),
});

export const modelAnswer = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
});

export const modelsAnswer = z.object({ object: z.literal("list"), data: z.array(modelAnswer) });

export const openAiErrorAnswer = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.nullable(z.string()),
    code: z.string(),
    request_id: z.string(),
  }),
});

const envelope = { message: z.string(), timestamp: count, request_id: z.string() };

export const generateAnswer = z.object({
  ...envelope,
  code: z.literal(0),
  data: z.object({
    content: z.string(),
    model: z.string(),
    tokensUsed: z.nullable(count),
    finishReason: z.enum(finishReasons),
    generatedAt: z.string(),
    usage: z.nullable(z.object({ promptTokens: count, completionTokens: count, totalTokens: count })),
    provider: z.string(),
  }),
});

export const qingyuErrorAnswer = z.object({
  ...envelope,
  code: z.int(),
  data: nothing,
  error: z.string(),
  param: z.optional(z.string()),
});

export const connectAnswer = z.looseObject({});
export const connectError = z.object({ code: z.string(), message: z.optional(z.string()) });

const status = z.enum(["healthy", "degraded", "unhealthy"]);
const dependencies = z.record(z.string(), z.object({ status, latencyMs: z.optional(z.number()) }));
const problem = z.object({ setting: z.string(), reason: z.string(), expected: z.string() });

export const liveAnswer = z.object({ status: z.literal("alive") });
export const readyAnswer = z.object({
  status: z.enum(["ready", "degraded", "unready"]),
  warnings: z.array(z.string()),
  auth: z.optional(z.enum(["open", "api-key"])),
  dependencies: z.optional(dependencies),
  problems: z.optional(z.array(problem)),
});
export const healthAnswer = z.object({ status, service: z.string(), timestamp: z.string(), dependencies });
