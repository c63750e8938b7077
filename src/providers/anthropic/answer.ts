import * as z from "zod/mini";
import type { Choice, FinishReason, GenerationChunk, JsonValue, Usage } from "../../generation.ts";
import { isJsonList, isJsonObject } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { usageOf } from "../../usage.ts";
import { finishReasonOf } from "../finish-reason.ts";
import { modelNameIn } from "../model.ts";
import { createCharacters } from "../wire/characters.ts";
import type { EventDecoder } from "../wire/chunks.ts";
import { parseAnswer } from "../wire/json.ts";
import { errorInAnswer } from "../wire/told-error.ts";

const count = z.catch(z.optional(z.int().check(z.nonnegative())), undefined);
const countsSchema = z.catch(
  z.object({
    input_tokens: count,
    cache_creation_input_tokens: count,
    cache_read_input_tokens: count,
    output_tokens: count,
  }),
  {},
);
type Counts = z.infer<typeof countsSchema>;

const modelSchema = z.catch(z.optional(z.string()), undefined);
/** A block of a message, or a piece of one. */
const blockSchema = z.object({ type: z.string(), text: z.nullish(z.string()) });
const stopSchema = z.object({ stop_reason: z.nullish(z.string()) });

/** Far more than a model makes of one answer. */
const maxBlocks = 1_000;

/** The least that an answer must be to be understood. */
const messageSchema = z.extend(stopSchema, {
  model: modelSchema,
  content: z.array(blockSchema),
  usage: countsSchema,
});

export interface AnthropicMessage {
  readonly model?: string;
  readonly choices: readonly [Choice];
  readonly usage?: Usage;
}

/** A `message` object as the domain has it. Throws `UpstreamFailure`: the error that it says instead, or wire `malformed`, or `truncated` where it does not say that it is complete. */
export function messageFrom(value: JsonValue): AnthropicMessage {
  // Counted before a schema looks at each of them.
  if (isJsonObject(value) && isJsonList(value.content) && value.content.length > maxBlocks) throw malformed();
  const failure = errorInAnswer(value);
  if (failure) throw failure;
  const { model, content, stop_reason, usage } = parsed(messageSchema, value);
  return {
    model: modelNameIn(model),
    choices: [{ content: content.map(textIn).join(""), finishReason: finishReasonFrom(stop_reason) }],
    usage: usageFrom(usage),
  };
}

const typedSchema = z.object({ type: z.catch(z.string(), "") });
const startSchema = z.object({ message: z.object({ model: modelSchema, usage: countsSchema }) });
const blockStartSchema = z.object({ content_block: blockSchema });
const blockDeltaSchema = z.object({ delta: blockSchema });
const messageDeltaSchema = z.object({ delta: stopSchema, usage: countsSchema });

/**
 * A streamed message's events (https://docs.anthropic.com/en/api/messages-streaming). Unknown ones are skipped, as Anthropic
 * asks. One that cannot be understood may have held text, so it is a failure. Only `message_stop` proves that the message is
 * complete.
 */
export function messageEvents(): EventDecoder<string> {
  let stopReason: string | null | undefined;
  let counts: Counts = {};
  const characters = createCharacters();
  const say = (piece: string, batch: GenerationChunk[]) => {
    const delta = characters.whole(piece);
    if (delta !== "") batch.push({ choice: 0, delta });
  };
  return {
    isComplete: () => false,
    end() {
      throw UpstreamFailure.wire("truncated");
    },
    take(data, batch) {
      // Proxies between Anthropic and us say them.
      if (data.trim() === "" || data === "[DONE]") return false;
      const value = parseAnswer(data);
      switch (parsed(typedSchema, value).type) {
        case "message_start": {
          const { model, usage } = parsed(startSchema, value).message;
          // What it says of the output is only a beginning.
          counts = { ...usage, output_tokens: undefined };
          batch.push({ choice: 0, delta: "", model: modelNameIn(model) });
          return false;
        }
        case "content_block_start":
          say(textIn(parsed(blockStartSchema, value).content_block), batch);
          return false;
        case "content_block_delta":
          say(textIn(parsed(blockDeltaSchema, value).delta), batch);
          return false;
        case "message_delta": {
          const { delta, usage } = parsed(messageDeltaSchema, value);
          stopReason = delta.stop_reason ?? stopReason;
          counts = later(counts, usage);
          return false;
        }
        case "message_stop":
          batch.push({
            choice: 0,
            delta: characters.rest(),
            finishReason: finishReasonFrom(stopReason),
            usage: usageFrom(counts),
          });
          return true;
        default: {
          const failure = errorInAnswer(value);
          if (failure) throw failure;
          return false;
        }
      }
    },
  };
}

function parsed<T extends z.ZodMiniType>(schema: T, value: JsonValue): z.infer<T> {
  const result = schema.safeParse(value);
  if (!result.success) throw malformed();
  return result.data;
}

function malformed(): UpstreamFailure {
  return UpstreamFailure.wire("malformed");
}

/** Other blocks, such as thinking, are no part of the answer. */
function textIn({ type, text }: z.infer<typeof blockSchema>): string {
  if (type !== "text" && type !== "text_delta") return "";
  if (typeof text !== "string") throw malformed();
  return text;
}

/** A reason that is not known, such as `pause_turn`, does not say that the answer is complete. */
function finishReasonFrom(name: string | null | undefined): FinishReason {
  const reason = finishReasonOf(name ?? "");
  // No tool was offered.
  if (reason === "tool_calls") throw malformed();
  if (!reason) throw UpstreamFailure.wire("truncated");
  return reason;
}

/** Counts are cumulative: what is said later replaces what was said before, but no prompt is empty. */
function later(before: Counts, after: Counts): Counts {
  return {
    input_tokens: after.input_tokens || before.input_tokens,
    cache_creation_input_tokens: after.cache_creation_input_tokens ?? before.cache_creation_input_tokens,
    cache_read_input_tokens: after.cache_read_input_tokens ?? before.cache_read_input_tokens,
    output_tokens: after.output_tokens ?? before.output_tokens,
  };
}

/** Anthropic counts the tokens that its cache wrote or read apart from the rest of the prompt. */
function usageFrom(counts: Counts): Usage | undefined {
  const { input_tokens, cache_creation_input_tokens = 0, cache_read_input_tokens = 0, output_tokens } = counts;
  if (input_tokens === undefined || output_tokens === undefined) return undefined;
  const promptTokens = input_tokens + cache_creation_input_tokens + cache_read_input_tokens;
  const usage = usageOf({ promptTokens, completionTokens: output_tokens, totalTokens: promptTokens + output_tokens });
  if (!usage || cache_read_input_tokens === 0) return usage;
  return { ...usage, details: { prompt_tokens_details: { cached_tokens: cache_read_input_tokens } } };
}
