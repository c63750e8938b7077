import type { ModelPrice } from "../price.ts";
import type { ConfigProblem } from "./problem.ts";
import { type BuiltInName, type SettingPath, type SettingValues, settingPaths } from "./settings.ts";

/**
 * The gateway's settings after all layers were read: validated, secrets included. Each stands at its path in the table of
 * settings, in camel case: `cache.ttl_seconds` is `cache.ttlSeconds`.
 */
export interface Config extends Branch<""> {}

/** Each setting's value; the chain of providers as it was put together from several. */
type ConfigValues = {
  readonly [Path in SettingPath]: Path extends "ai.providers"
    ? readonly ProviderConfig[]
    : Path extends "usage.prices"
      ? readonly ModelPrice[]
      : SettingValues[Path];
};

/** What is below a path, which is empty or ends with a dot. */
type Branch<Above extends string> = {
  readonly [Path in SettingPath as Path extends `${Above}${infer Rest}` ? CamelCase<Head<Rest>> : never]: Member<
    Path,
    Above
  >;
};
type Member<Path extends SettingPath, Above extends string> = Path extends `${Above}${infer Name}.${string}`
  ? Branch<`${Above}${Name}.`>
  : ConfigValues[Path];
type Head<Path extends string> = Path extends `${infer Name}.${string}` ? Name : Path;
type CamelCase<Name extends string> = Name extends `${infer Word}_${infer Rest}`
  ? `${Word}${Capitalize<CamelCase<Rest>>}`
  : Name;

/** Puts each value at its path. */
export function configFrom(values: ConfigValues): Config {
  // `Branch` says of types what `branch` does with values.
  return branch(values, "") as unknown as Config;
}

function branch(values: ConfigValues, above: string): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const path of settingPaths) {
    if (!path.startsWith(above)) continue;
    const [name = "", ...below] = path.slice(above.length).split(".");
    members[camelCase(name)] ??= below.length > 0 ? branch(values, `${above}${name}.`) : values[path];
  }
  return members;
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

export interface ProviderConfig {
  readonly name: string;
  readonly type: BuiltInName;
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Bearer token (AI service, OpenAI) or `x-api-key` (Anthropic). */
  readonly apiKey?: string;
  /** Replaces the names that this provider does not take. */
  readonly model?: string;
  /** Patterns of the model names that this provider takes as they are; unset: none where `model` is set, else all. */
  readonly models?: readonly string[];
  /** Patterns of the models for which it embeds; unset: none. */
  readonly embeddingModels?: readonly string[];
  /** How much its model takes, in tokens; unset: not known. */
  readonly contextTokens?: number;
  /** AI service only. */
  readonly protocol?: "connect" | "grpc-web";
}

/** Warnings never keep a config from being used; each names a setting, never a value. */
export interface UsableConfig {
  readonly config: Config;
  readonly problems?: undefined;
  /** What is wrong only where a request comes from elsewhere than this machine. */
  readonly problemElsewhere?: ConfigProblem;
  readonly warnings: readonly string[];
}

export interface UnusableConfig {
  readonly config?: undefined;
  readonly problemElsewhere?: undefined;
  readonly problems: readonly [ConfigProblem, ...ConfigProblem[]];
  readonly warnings: readonly string[];
}

export type ConfigResult = UsableConfig | UnusableConfig;
