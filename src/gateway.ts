import { cached } from "./cache/cached.ts";
import { keyOf } from "./cache/key.ts";
import { sealedWith, unsealed } from "./cache/seal.ts";
import { kvStore } from "./cache/store.ts";
import type { Config, ProviderConfig } from "./config/config.ts";
import type { GenerationDefaults } from "./generation.ts";
import { aiService } from "./providers/ai-service.ts";
import { anthropic } from "./providers/anthropic.ts";
import type { Fetch } from "./providers/http.ts";
import { openai } from "./providers/openai.ts";
import { firstAvailable } from "./resilience/first-available.ts";
import { readiness } from "./resilience/readiness.ts";
import type { Gateway, Provider } from "./upstream.ts";

export interface GatewayDependencies {
  /** Absent where no namespace is bound: then nothing is cached. */
  readonly kv?: KVNamespace;
  readonly fetch: Fetch;
}

/** Builds the chain: cache, then the providers in their order. */
export function createGateway(config: Config, { kv, fetch }: GatewayDependencies): Gateway {
  const defaults: GenerationDefaults = {
    model: config.ai.model,
    maxTokens: config.ai.maxTokens,
    temperature: config.ai.temperature,
  };
  const providers = config.ai.providers.map((provider) => createProvider(provider, defaults, fetch));
  const chain = firstAvailable(providers, config.deadlines);
  const generate =
    kv && config.cache.enabled
      ? cached(chain, {
          store: kvStore(kv, config.cache.readTimeoutMs),
          keyOf: keyOf({ defaults, scope: config.cache.scope, secret: config.cache.keySecret }),
          seal: config.cache.encryptionKey === undefined ? unsealed : sealedWith(config.cache.encryptionKey),
          ttlSeconds: config.cache.ttlSeconds,
          staleSeconds: config.cache.staleSeconds,
        })
      : chain;
  return { generate, readiness: readiness(providers) };
}

function createProvider(config: ProviderConfig, defaults: GenerationDefaults, fetch: Fetch): Provider {
  switch (config.type) {
    case "ai-service":
      return aiService({ ...config, protocol: config.protocol ?? "connect", token: config.apiKey, defaults, fetch });
    case "openai":
      return openai({ ...config, defaults, fetch });
    case "anthropic":
      return anthropic({ ...config, defaults, fetch });
  }
}
