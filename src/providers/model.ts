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

export interface NamedRules extends ModelRules {
  /** Patterns of the names for which the provider embeds. */
  readonly embeddingModels?: readonly string[];
}

/** Whether a provider is asked for a model by the name under which it lists it. */
export function takes(name: string, { embeddingModels = [], ...rules }: NamedRules): boolean {
  if (modelNameIn(name) === undefined) return false;
  return modelFor(name, rules) === name || embeddingModels.some((pattern) => matchesPattern(name, pattern));
}

/** The models that the settings spell out for a provider; patterns stand for names that only it knows. */
export function namedModels({ model, models = [], embeddingModels = [] }: NamedRules): string[] {
  const names = model === undefined ? [] : [model];
  return [...names, ...models, ...embeddingModels].filter((name) => !name.includes("*"));
}

/**
 * What names of models are made of in the wild: `qwen2.5:7b-instruct-q4_0`, `@cf/meta/llama-3-8b`, `ft:gpt-4o:org::id`,
 * `accounts/fireworks/models/llama-v3p1-8b`, `claude-3-5-sonnet@20240620`, `/models/llama.gguf`.
 */
const modelName = /^[\w@./][\w@./:+~=,-]{0,199}$/;

/** The model that a provider says has answered; undefined where that does not look like one and is not to be shown to anybody. */
export function modelNameIn(name: unknown): string | undefined {
  return typeof name === "string" && modelName.test(name) ? name : undefined;
}
