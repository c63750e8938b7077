import type { GenerationRequest } from "../../generation.ts";
import type { Options } from "./fields.ts";

/** What OpenAI's parameters are called here. */
export const optionNames = {
  model: "options.model",
  max_tokens: "options.maxTokens",
  temperature: "options.temperature",
  top_p: "options.topP",
};

/** What a caller has said of how his text is to be made; what he has not said is the task's. 0 and empty say nothing. */
export function optionsIn(options: Options, model?: string | null): Partial<GenerationRequest> {
  const { temperature, maxTokens, topP } = options ?? {};
  const said = {
    model: options?.model || model || undefined,
    temperature: temperature ?? undefined,
    maxTokens: maxTokens || undefined,
    topP: topP ?? undefined,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}
