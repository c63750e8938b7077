import type { Config } from "../config/config.ts";
import type { EmbeddingInput, EmbeddingRequest } from "../embedding.ts";
import { GatewayError, modelNotFound } from "../errors.ts";
import type { GenerationRequest, Message } from "../generation.ts";
import { matchesPattern } from "../model-pattern.ts";
import { invalidValue } from "./invalid.ts";

/** The settings that limit what may be asked for. */
type Limiting = Pick<Config, "limits" | "ai">;

/** Holds a request to the configured limits, the same on every surface. Throws a `GatewayError` that names the field as OpenAI's API does. */
export function requireWithinLimits(request: GenerationRequest, { limits, ai }: Limiting): void {
  requireFewTokens(request.maxTokens, limits.maxTokens);
  requireShort(() => texts(request.messages), limits.promptChars, "messages");
  requireModel(request.model, ai.models);
}

/** Throws 400 where more tokens are asked for than may be. */
export function requireFewTokens(maxTokens: number | undefined, limit: number): void {
  if (maxTokens === undefined || maxTokens <= limit) return;
  throw invalidValue("max_tokens", "{field} must be at most {most} (limits.max_tokens).", { most: limit });
}

/** The same for embeddings: all inputs together are the prompt, and a token counts as a character. */
export function requireEmbeddingLimits({ inputs, model }: EmbeddingRequest, { limits, ai }: Limiting): void {
  requireShort(() => inputs, limits.promptChars, "input");
  requireModel(model, ai.models);
}

/** Throws 404 `model_not_found` where the configured names do not include this one. */
export function requireModel(model: string | undefined, models: readonly string[] | undefined): void {
  if (model !== undefined && !isAllowed(model, models)) throw modelNotFound("model");
}

/** Whether the configured names, where there are some, include this one (setting ai.models). */
export function isAllowed(model: string, models: readonly string[] | undefined): boolean {
  return !models || models.some((pattern) => matchesPattern(model, pattern));
}

/** Throws 413 where all texts together have more code points than allowed. */
export function requireShort(texts: () => Iterable<EmbeddingInput>, maxChars: number, param?: string): void {
  let units = 0;
  for (const text of texts()) units += text.length;
  // There are never more code points than UTF-16 units, so most prompts need no counting.
  if (units <= maxChars) return;
  let chars = 0;
  for (const text of texts()) {
    for (const _ of text) if (++chars > maxChars) throw tooLong(maxChars, param);
  }
}

function tooLong(maxChars: number, param?: string): GatewayError {
  return new GatewayError("payload_too_large", "The prompt is longer than {most} characters (limits.prompt_chars).", {
    param,
    values: { most: maxChars },
  });
}

function* texts(messages: readonly Message[]): Generator<string> {
  for (const { content } of messages) {
    if (typeof content === "string") yield content;
    else for (const part of content ?? []) if (typeof part.text === "string") yield part.text;
  }
}
