import * as z from "zod/mini";
import { UpstreamFailure } from "../errors.ts";
import type { Choice, FinishReason, GenerationChunk, JsonValue, Usage } from "../generation.ts";
import { parseJson } from "../json.ts";
import { streamedAnthropicFailure } from "./anthropic-failure.ts";

const count = z.catch(z.int().check(z.nonnegative()), 0);
const usageSchema = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
});
const model = z.optional(z.string());

const messageSchema = z.object({
  model,
  content: z.array(z.object({ type: z.string(), text: z.optional(z.string()) })),
  stop_reason: z.nullish(z.string()),
  usage: z.optional(usageSchema),
});

export interface AnthropicMessage {
  readonly model?: string;
  readonly choices: readonly [Choice];
  readonly usage?: Usage;
}

/** A `message` object as the domain has it. Throws `UpstreamFailure` (wire): `malformed`, or `truncated` without a stop reason. */
export function messageFrom(value: JsonValue): AnthropicMessage {
  const parsed = messageSchema.safeParse(value);
  if (!parsed.success) throw UpstreamFailure.wire("malformed");
  const { content, stop_reason, usage, model } = parsed.data;
  const text = content.map((block) => (block.type === "text" ? (block.text ?? "") : "")).join("");
  return {
    model,
    choices: [{ content: text, finishReason: finishReasonFrom(stop_reason) }],
    usage: usage && usageFrom(usage),
  };
}

const finishReasons: ReadonlyMap<string, FinishReason> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["refusal", "content_filter"],
]);

/** Any other reason, such as `pause_turn`, does not say that the answer is complete. */
function finishReasonFrom(name: string | null | undefined): FinishReason {
  const reason = finishReasons.get(name ?? "");
  if (!reason) throw UpstreamFailure.wire("truncated");
  return reason;
}

function usageFrom(usage: z.infer<typeof usageSchema>): Usage {
  const promptTokens = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens;
  const completionTokens = usage.output_tokens;
  return { totalTokens: promptTokens + completionTokens, split: { promptTokens, completionTokens } };
}

const eventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message_start"), message: z.object({ model, usage: z.optional(usageSchema) }) }),
  z.object({
    type: z.literal("content_block_delta"),
    delta: z.object({ type: z.string(), text: z.optional(z.string()) }),
  }),
  z.object({
    type: z.literal("message_delta"),
    delta: z.object({ stop_reason: z.nullish(z.string()) }),
    usage: z.optional(z.object({ output_tokens: count })),
  }),
  z.object({ type: z.literal("message_stop") }),
  z.object({ type: z.literal("error") }),
]);

export interface ReadEvent {
  readonly chunk?: GenerationChunk;
  /** Whether the message is complete. */
  readonly isEnd: boolean;
}

/** Reads a message's events one by one (https://docs.anthropic.com/en/api/messages-streaming). Unknown ones are skipped, as Anthropic asks. */
export function streamReader(): { read: (data: string) => ReadEvent } {
  let stopReason: string | null | undefined;
  let usage: z.infer<typeof usageSchema> | undefined;
  return {
    read(data) {
      const value = parse(data);
      const parsed = eventSchema.safeParse(value);
      if (!parsed.success) return { isEnd: false };
      const event = parsed.data;
      switch (event.type) {
        case "message_start":
          usage = event.message.usage;
          return { chunk: { choice: 0, delta: "", model: event.message.model }, isEnd: false };
        case "content_block_delta": {
          const isText = event.delta.type === "text_delta" && event.delta.text !== undefined;
          return { chunk: isText ? { choice: 0, delta: event.delta.text ?? "" } : undefined, isEnd: false };
        }
        case "message_delta":
          stopReason = event.delta.stop_reason ?? stopReason;
          if (usage && event.usage) usage = { ...usage, output_tokens: event.usage.output_tokens };
          return { isEnd: false };
        case "message_stop": {
          const finishReason = finishReasonFrom(stopReason);
          return { chunk: { choice: 0, delta: "", finishReason, usage: usage && usageFrom(usage) }, isEnd: true };
        }
        case "error":
          throw streamedAnthropicFailure(value);
      }
    },
  };
}

function parse(data: string): JsonValue {
  try {
    return parseJson(data);
  } catch {
    return null;
  }
}
