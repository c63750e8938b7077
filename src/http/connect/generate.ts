import { create } from "@bufbuild/protobuf";
import * as z from "zod/mini";
import { streamOf, wholeOf } from "../../collect.ts";
import { decimalOf } from "../../decimal.ts";
import {
  type GenerateContentChunk,
  GenerateContentChunkSchema,
  type GenerateContentRequest,
  type GenerateContentResponse,
  GenerateContentResponseSchema,
  type TokenUsage,
  TokenUsageSchema,
} from "../../gen/qingyu/ai/ai_service_pb.ts";
import { type GenerationRequest, maxMessages, type Usage } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import { requireValid } from "../invalid.ts";
import { requireText } from "../text-only.ts";
import type { MessageEncoder } from "./rpc.ts";

const shortText = z.string().check(z.maxLength(512));
const penalty = z.optional(z.number().check(z.gte(-2), z.lte(2)));

/** What a `GenerateContentRequest` must hold beyond its types, under the contract's field names. */
export const contents = z.object({
  project_id: shortText,
  chapter_id: shortText,
  user_id: shortText,
  messages: z
    .array(z.object({ role: z.enum(["system", "user", "assistant", "tool"]), content: z.string(), name: shortText }))
    .check(z.minLength(1, "or the field 'prompt' must not be empty"), z.maxLength(maxMessages)),
  options: z.object({
    model: z.string().check(z.maxLength(256)),
    max_tokens: z.int().check(z.nonnegative()),
    temperature: z.number().check(z.gte(0), z.lte(2)),
    stop: z.array(z.string().check(z.minLength(1), z.maxLength(1024))).check(z.maxLength(16)),
    top_p: z.optional(z.number().check(z.gte(0), z.lte(1))),
    seed: z.optional(z.int()),
    presence_penalty: penalty,
    frequency_penalty: penalty,
    response_format: z.optional(z.enum(["text", "json_object"])),
  }),
});

/**
 * The contract's request as the domain has it. proto3 cannot tell a 0 or an empty string from an absent one where the
 * contract has no explicit presence, so those count as absent. Throws `invalid_request` that names the field.
 */
export function fromGenerateContentRequest(message: GenerateContentRequest): GenerationRequest {
  const { options } = message;
  const wire = requireValid(contents, {
    project_id: message.projectId,
    chapter_id: message.chapterId,
    user_id: message.userId,
    messages:
      message.messages.length > 0
        ? message.messages
        : message.prompt === ""
          ? []
          : [{ role: "user", content: message.prompt, name: "" }],
    options: {
      model: options?.model ?? "",
      max_tokens: options?.maxTokens ?? 0,
      temperature: decimalOf(options?.temperature ?? 0),
      stop: options?.stop ?? [],
      top_p: options?.topP && decimalOf(options.topP),
      seed: options?.seed === undefined ? undefined : Number(options.seed),
      presence_penalty: options?.presencePenalty && decimalOf(options.presencePenalty),
      frequency_penalty: options?.frequencyPenalty && decimalOf(options.frequencyPenalty),
      response_format: options?.responseFormat,
    },
  });
  return {
    projectId: wire.project_id || undefined,
    chapterId: wire.chapter_id || undefined,
    user: wire.user_id || undefined,
    model: wire.options.model || undefined,
    messages: wire.messages.map(({ role, content, name }) => ({ role, content, name: name || undefined })),
    maxTokens: wire.options.max_tokens || undefined,
    temperature: wire.options.temperature || undefined,
    topP: wire.options.top_p,
    stop: wire.options.stop.length > 0 ? wire.options.stop : undefined,
    seed: wire.options.seed,
    presencePenalty: wire.options.presence_penalty,
    frequencyPenalty: wire.options.frequency_penalty,
    responseFormat: wire.options.response_format === "json_object" ? "json_object" : undefined,
  };
}

/** A generation as the contract has it: of several choices the first. */
export async function toGenerateContentResponse(answer: GenerationAnswer): Promise<GenerateContentResponse> {
  const generation = await wholeOf(answer);
  const [{ content, finishReason, extra }] = generation.choices;
  requireText({ hasText: content !== "", hasMore: extra !== undefined, finishReason });
  return create(GenerateContentResponseSchema, {
    content,
    model: generation.model,
    tokensUsed: generation.usage?.totalTokens,
    generatedAt: BigInt(Math.floor(generation.createdAtMs / 1000)),
    finishReason,
    usage: tokenUsage(generation.usage),
    knowledge: generation.knowledge,
  });
}

/** The first message names the model. */
export function generateContentMessages(answer: GenerationAnswer): MessageEncoder<GenerateContentChunk> {
  let model: string | undefined = answer.model;
  let [hasText, hasMore] = [false, false];
  return {
    stream: streamOf(answer),
    message(chunk) {
      const { delta, finishReason, knowledge } = chunk;
      hasText ||= delta !== "";
      hasMore ||= chunk.extra !== undefined;
      if (finishReason) requireText({ hasText, hasMore, finishReason });
      if (delta === "" && !finishReason && !chunk.usage) return undefined;
      const usage = tokenUsage(chunk.usage);
      const message = create(GenerateContentChunkSchema, { delta, model, finishReason, usage, knowledge });
      model = undefined;
      return message;
    },
  };
}

function tokenUsage(usage: Usage | undefined): TokenUsage | undefined {
  return usage?.split && create(TokenUsageSchema, { ...usage.split, totalTokens: usage.totalTokens });
}
