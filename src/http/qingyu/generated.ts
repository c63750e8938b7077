import type { FinishReason, Generation, GenerationChunk, GenerationStream, Usage } from "../../generation.ts";
import type { Generated, PlatformUsage } from "./answers.ts";

type Source = Pick<Generation, "provider" | "model" | "usage">;

/** What is told of a generation beside what was generated. */
export function generatedBy(source: Source, finishReason: FinishReason): Generated {
  const { model, ...rest } = sourceOf(source);
  return { model, finishReason, ...rest };
}

/** Who has answered, and what it took. */
export function sourceOf({ provider, model, usage }: Source): Omit<Generated, "finishReason"> {
  return { model, tokensUsed: usage?.totalTokens ?? null, usage: usageIn(usage), provider };
}

/** The same of a generation that comes piece by piece. */
export interface GeneratedSoFar {
  readonly begin: (stream: Pick<GenerationStream, "provider" | "model">) => void;
  readonly note: (chunk: GenerationChunk) => void;
  readonly told: () => Generated;
}

export function generatedSoFar(): GeneratedSoFar {
  let [provider, model] = ["", ""];
  // Every complete answer has one.
  let finishReason: FinishReason = "stop";
  let usage: Usage | undefined;
  return {
    begin(stream) {
      ({ provider, model } = stream);
    },
    note(chunk) {
      ({ finishReason = finishReason, model = model, usage = usage } = chunk);
    },
    told: () => generatedBy({ provider, model, usage }, finishReason),
  };
}

/** Counts under the names of all clients; null where the provider did not report them, never zeros. */
function usageIn(usage: Usage | undefined): PlatformUsage {
  if (!usage?.split) return null;
  const { totalTokens, split } = usage;
  return {
    ...{ promptTokens: split.promptTokens, completionTokens: split.completionTokens, totalTokens },
    ...{ prompt_tokens: split.promptTokens, completion_tokens: split.completionTokens, total_tokens: totalTokens },
  };
}
