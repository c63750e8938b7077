import type { Config, ProviderConfig } from "./config/config.ts";
import type { EmbeddingDefaults } from "./embedding.ts";
import type { GenerationDefaults } from "./generation.ts";
import { aiService } from "./providers/ai-service/ai-service.ts";
import { anthropic } from "./providers/anthropic/anthropic.ts";
import { openai } from "./providers/openai/openai.ts";
import { boundToRequest } from "./providers/wire/request-binding.ts";
import type { Fetch } from "./providers/wire/send.ts";
import type { Provider } from "./upstream.ts";

/** What all providers are asked for where callers leave it out. */
interface Defaults {
  readonly defaults: GenerationDefaults;
  readonly embedding: EmbeddingDefaults;
}

interface Providers extends Defaults {
  /** In the order in which they are asked. */
  readonly providers: readonly Provider[];
  /** How many tokens every model's context has, as far as the settings say so. */
  readonly contextTokens?: number;
}

/** What the platform's requests ask for where neither caller nor settings say. */
const platformDefaults = { maxTokens: 2000, temperature: 0.7 };

/** The providers that the settings name. */
export function createProviders(config: Config, fetch: Fetch): Providers {
  const { ai } = config;
  const shared: Defaults = {
    defaults: generationDefaults(config),
    embedding: { model: ai.embeddingModel, anyModel: ai.anyEmbeddingModel },
  };
  const providers = ai.providers.map((each) => createProvider(each, { ...shared, fetch: boundToRequest(fetch) }));
  return { ...shared, providers, contextTokens: smallestContext(providers) };
}

function generationDefaults({ ai: { model, maxTokens, temperature }, limits }: Config): GenerationDefaults {
  const asWritten = { maxTokens: maxTokens && Math.min(maxTokens, limits.maxTokens), temperature };
  const platform = {
    maxTokens: asWritten.maxTokens ?? Math.min(platformDefaults.maxTokens, limits.maxTokens),
    temperature: temperature ?? platformDefaults.temperature,
  };
  return { model, asWritten, platform, mostTokens: limits.maxTokens };
}

function createProvider(config: ProviderConfig, shared: Defaults & { readonly fetch: Fetch }): Provider {
  switch (config.type) {
    case "ai-service":
      return aiService({ ...config, protocol: config.protocol ?? "connect", token: config.apiKey, ...shared });
    case "openai":
      return openai({ ...config, ...shared });
    case "anthropic":
      return anthropic({ ...config, ...shared });
  }
}

function smallestContext(providers: readonly Provider[]): number | undefined {
  const known = providers.flatMap(({ contextTokens = [] }) => contextTokens);
  return known.length > 0 ? Math.min(...known) : undefined;
}
