import { GatewayError } from "../errors.ts";
import type { FinishReason } from "../generation.ts";

interface Shown {
  readonly hasText: boolean;
  /** Whether it has something that is no text: thoughts, a refusal. */
  readonly hasMore: boolean;
  readonly finishReason: FinishReason;
}

/**
 * For surfaces that can show a text only: an answer that has something else instead is told of as empty, and not shown as an
 * empty text that looks like success. Throws 502 `upstream_bad_response`. What ended by its limit or a filter says so itself.
 */
export function requireText({ hasText, hasMore, finishReason }: Shown): void {
  if (hasText || !hasMore || finishReason === "length" || finishReason === "content_filter") return;
  throw new GatewayError("upstream_bad_response", "The AI provider's answer has no text.");
}
