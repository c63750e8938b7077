import { matchesPattern } from "../model-pattern.ts";

export interface ModelRules {
  /** Patterns of the names that the provider takes as they are. */
  readonly models?: readonly string[];
  /** Replaces every other name. */
  readonly model?: string;
}

/** The model name to send to a provider: `asked` where the provider takes it, else the provider's own (setting ai.providers). */
export function modelFor(asked: string, { models, model }: ModelRules): string {
  if (model === undefined || models?.some((pattern) => matchesPattern(asked, pattern))) return asked;
  return model;
}
