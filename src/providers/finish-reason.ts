import { type FinishReason, finishReasons } from "../generation.ts";

/**
 * The one table of how providers of every kind say that an answer has ended, in lower case: OpenAI's five, Anthropic's, and
 * what Mistral, Cohere, Gemini, Bedrock, Zhipu, Ollama and servers of models say for them.
 */
export const wordsByFinishReason: Readonly<Record<FinishReason, readonly string[]>> = {
  stop: [
    "stop",
    "stop_sequence",
    "stop_token",
    "end_turn",
    "end",
    "eos",
    "eos_token",
    "eos_token_id",
    "complete",
    "completed",
    "finish",
    "finished",
    "done",
    "normal",
    "success",
  ],
  length: [
    "length",
    "max_length",
    "max_tokens",
    "max_new_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "model_length",
    "token_limit",
    "model_context_window_exceeded",
    "context_window_exceeded",
    "context_length_exceeded",
    "error_limit",
  ],
  content_filter: [
    "content_filter",
    "content_filtered",
    "content_policy_violation",
    "refusal",
    "refused",
    "safety",
    "image_safety",
    "recitation",
    "language",
    "blocklist",
    "prohibited_content",
    "spii",
    "guardrail_intervened",
    "sensitive",
    "error_toxic",
    "moderation",
    "flagged",
  ],
  tool_calls: ["tool_calls", "tool_call", "tool_use", "function_calls"],
  function_call: ["function_call"],
};

const reasonsByWord: ReadonlyMap<string, FinishReason> = new Map(
  finishReasons.flatMap((reason) => wordsByFinishReason[reason].map((word) => [word, reason] as const)),
);

/**
 * What a provider's word for an answer's end means, in any case and with any of the usual signs between its parts
 * (`MAX_TOKENS`, `FinishReason.STOP`, `tool-use`); undefined where it is none that is known.
 */
export function finishReasonOf(word: string): FinishReason | undefined {
  return reasonsByWord.get(word) ?? (word.length <= maxWordLength ? reasonsByWord.get(plain(word)) : undefined);
}

const maxWordLength = 64;

function plain(word: string): string {
  return word
    .trim()
    .replace(/[a-z](?=[A-Z])/g, "$&_")
    .toLowerCase()
    .replace(/[\s-]+/g, "_")
    .replace(/^finish_?reason[._]/, "");
}
