import { isStream } from "./collect.ts";
import { GatewayError } from "./errors.ts";
import type { FinishReason } from "./generation.ts";
import type { GenerationAnswer } from "./upstream.ts";

/**
 * An answer that says something: throws a `GatewayError` in the place of one that says nothing, of a stream at its end. One
 * that ended as `allowed` may say nothing.
 */
export function notBlank(answer: GenerationAnswer, allowed?: FinishReason): GenerationAnswer {
  const mayBeBlank = (reason: FinishReason | undefined) => reason !== undefined && reason === allowed;
  if (!isStream(answer)) {
    const [{ content, finishReason }] = answer.choices;
    if (content.trim() === "" && !mayBeBlank(finishReason)) throw blank(finishReason);
    return answer;
  }
  let saysSomething = false;
  let finishReason: FinishReason | undefined;
  return {
    ...answer,
    async read() {
      const batch = await answer.read();
      for (const chunk of batch ?? []) {
        saysSomething ||= chunk.delta.trim() !== "";
        finishReason = chunk.finishReason ?? finishReason;
      }
      if (!batch && !saysSomething && !mayBeBlank(finishReason)) throw blank(finishReason);
      return batch;
    },
  };
}

function blank(finishReason: FinishReason | undefined): GatewayError {
  if (finishReason !== "content_filter")
    return new GatewayError("upstream_bad_response", "The AI provider's answer has no text.");
  return new GatewayError("invalid_request", "The AI provider's content filter left nothing of the answer.", {
    code: "content_filter",
  });
}
