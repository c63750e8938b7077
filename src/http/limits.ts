import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { GenerationRequest, Message } from "../generation.ts";
import { matchesPattern } from "../model-pattern.ts";

/** How a surface names the fields that the limits are about. */
export interface FieldNames {
  readonly prompt: string;
  readonly maxTokens: string;
  readonly model: string;
}

/** Holds a request to the configured limits, the same on every surface. Throws a `GatewayError` that names the field. */
export function requireWithinLimits(
  request: GenerationRequest,
  { limits, ai }: Pick<Config, "limits" | "ai">,
  names: FieldNames,
): void {
  if (request.maxTokens !== undefined && request.maxTokens > limits.maxTokens) {
    throw new GatewayError(
      "invalid_request",
      `The field '${names.maxTokens}' must be at most ${limits.maxTokens} (limits.max_tokens).`,
      { code: "invalid_value", param: names.maxTokens },
    );
  }
  if (exceeds(request.messages, limits.promptChars)) {
    throw new GatewayError(
      "payload_too_large",
      `The prompt is longer than ${limits.promptChars} characters (limits.prompt_chars).`,
      { param: names.prompt },
    );
  }
  requireModel(request.model, ai.models, names.model);
}

/** Throws 404 `model_not_found` where the configured names do not include this one. */
export function requireModel(model: string | undefined, models: readonly string[] | undefined, param: string): void {
  if (model === undefined || !models || models.some((pattern) => matchesPattern(model, pattern))) return;
  throw new GatewayError("not_found", "The model does not exist or is not offered here.", {
    code: "model_not_found",
    param,
  });
}

/** Whether the text of all messages together has more code points than allowed. */
function exceeds(messages: readonly Message[], maxChars: number): boolean {
  let units = 0;
  for (const text of texts(messages)) units += text.length;
  // There are never more code points than UTF-16 units, so most prompts need no counting.
  if (units <= maxChars) return false;
  let chars = 0;
  for (const text of texts(messages)) {
    for (const _ of text) if (++chars > maxChars) return true;
  }
  return false;
}

function* texts(messages: readonly Message[]): Generator<string> {
  for (const { content } of messages) {
    if (typeof content === "string") yield content;
    else for (const part of content ?? []) if (typeof part.text === "string") yield part.text;
  }
}
