import * as z from "zod/mini";
import { finishReasons } from "../../generation.ts";

/** What this surface answers: its encoders' types and its description. */

export const count = z.int().check(z.nonnegative());
export const unreported = z.describe("Null where the provider did not report it.");
const param = z.optional(z.string()).check(z.describe("The field or header at fault."));

/** The platform's envelope. */
const envelope = {
  message: z.string(),
  timestamp: count.check(z.describe("Unix time in milliseconds.")),
  request_id: z.string(),
};
export const success = { ...envelope, code: z.literal(0) };
/** Around data that a descriptor describes. */
export const Success = z.object(success);

const counts = {
  ...{ promptTokens: count, completionTokens: count, totalTokens: count },
  ...{ prompt_tokens: count, completion_tokens: count, total_tokens: count },
};
const platformUsage = z.nullable(z.object(counts)).check(unreported);
export type PlatformUsage = z.infer<typeof platformUsage>;

export const generated = {
  model: z.string().check(z.describe("The model that answered.")),
  tokensUsed: z.nullable(count).check(unreported),
  finishReason: z.enum(finishReasons),
  usage: platformUsage,
  provider: z.string().check(z.describe("Who answered.")),
};

const Generated = z.object(generated);
export type Generated = z.infer<typeof Generated>;

export const GenerateAnswer = z.object({
  ...success,
  data: z.object({
    ...generated,
    content: z.string(),
    generated_text: z.string().check(z.describe("The same as `content`.")),
    generatedAt: z.string().check(z.describe("RFC 3339, UTC.")),
  }),
});
export type GenerateAnswer = z.infer<typeof GenerateAnswer>;

export const GenerateMessageEvent = z.object({ delta: z.string() });
export type GenerateMessageEvent = z.infer<typeof GenerateMessageEvent>;
export const GenerateDoneEvent = z.object({ ...generated, requestId: z.string() });
export type GenerateDoneEvent = z.infer<typeof GenerateDoneEvent>;
export const TextMessageEvent = z.object({
  requestId: z.string(),
  delta: z.string().check(z.describe("What has come since the last event.")),
  tokens: z.nullable(count).check(z.describe("Null: not known before the end.")),
});
export type TextMessageEvent = z.infer<typeof TextMessageEvent>;
export const TextDoneEvent = z.object({
  ...generated,
  content: z.string().check(z.describe("The whole text.")),
  requestId: z.string(),
});
export type TextDoneEvent = z.infer<typeof TextDoneEvent>;

export const QingyuErrorEvent = z.object({
  code: z.int().check(z.describe("The platform's number.")),
  message: z.string(),
  error: z.string().check(z.describe("The same as `message`.")),
  requestId: z.string(),
});
export type QingyuErrorEvent = z.infer<typeof QingyuErrorEvent>;

export const StageEvent = z.object({ stage: z.string(), seconds: z.number() });
export type StageEvent = z.infer<typeof StageEvent>;

export const StoryAnswer = z.object({
  content: z.string(),
  contextStats: z.object({
    stageTokens: z.nullable(count).check(unreported),
    outlineTokens: z.nullable(count).check(unreported),
    ragTokens: z.nullable(count).check(unreported),
    totalTokens: z.nullable(count).check(unreported),
  }),
  tokensUsed: generated.tokensUsed,
  model: generated.model,
  provider: generated.provider,
});
export type StoryAnswer = z.infer<typeof StoryAnswer>;

export const Retrieved = z.object({
  answer: z.string().check(z.describe("The passages, put together.")),
  sources: z.array(z.string()).check(z.describe("The passages, the nearest first.")),
  results: z.array(
    z.object({
      id: z.string(),
      content: z.string(),
      score: z.nullable(z.number()),
      docType: z.string(),
      metadata: z.record(z.string(), z.string()),
    }),
  ),
  references: z.array(z.string()).check(z.describe("What the passages are from: titles, else ids.")),
  tokensUsed: count.check(z.describe("0: no model writes the answer.")),
  executionTime: count.check(z.describe("In milliseconds.")),
});
export type Retrieved = z.infer<typeof Retrieved>;

const ProviderAnswer = z.object({
  name: z.string(),
  displayName: z.string(),
  status: z.enum(["active", "inactive"]).check(z.describe("`inactive` where it is not asked now.")),
  models: z.array(z.string()),
});
export type ProviderAnswer = z.infer<typeof ProviderAnswer>;
export const ProviderList = z.object({ ...success, data: z.array(ProviderAnswer) });

const ModelAnswer = z.object({
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  maxTokens: z.nullable(count).check(z.describe("The model's context; null where no setting says it.")),
  costPer1k: z.nullable(z.number()).check(z.describe("Null: not known.")),
});
export type ModelAnswer = z.infer<typeof ModelAnswer>;
export const QingyuModelList = z.object({ ...success, data: z.array(ModelAnswer) });

export const Purged = z.object({ ...success, data: z.object({ purged: z.enum(["all", "one"]) }) });
export type Purged = z.infer<typeof Purged>;

export const QingyuError = z.object({
  ...envelope,
  code: z.int().check(z.describe("The platform's number.")),
  /** Absent where the platform's own quota is refused. */
  data: z.optional(z.null()),
  error: z.string().check(z.describe("The reason, for programs.")),
  param,
});
export type QingyuError = z.infer<typeof QingyuError>;
