import { cached } from "./cache/cached.ts";
import { idempotent } from "./cache/idempotent.ts";
import { digestWith, keyOf } from "./cache/key.ts";
import { purgeFrom } from "./cache/purge.ts";
import { coordinatedBy, uncoordinated } from "./cache/sharing/across-isolates.ts";
import type { Coordinator } from "./cache/sharing/coordinator.ts";
import { sealedWith, unsealed } from "./cache/storage/encryption.ts";
import { createEntries } from "./cache/storage/entries.ts";
import { createEpochs } from "./cache/storage/epochs.ts";
import { kvStore } from "./cache/storage/kv.ts";
import type { Config, ProviderConfig } from "./config/config.ts";
import type { Generation, GenerationDefaults } from "./generation.ts";
import { aiService } from "./providers/ai-service/ai-service.ts";
import { anthropic } from "./providers/anthropic/anthropic.ts";
import { openai } from "./providers/openai/openai.ts";
import type { Fetch } from "./providers/wire/http.ts";
import { boundToRequest } from "./providers/wire/request-binding.ts";
import { recorded } from "./recorded.ts";
import { createBreaker } from "./resilience/breaker.ts";
import { createBudget } from "./resilience/budget.ts";
import { firstAvailable, type Member } from "./resilience/first-available.ts";
import { readiness } from "./resilience/readiness.ts";
import { logWarning } from "./telemetry/log.ts";
import type { Gateway, Generate, Provider } from "./upstream.ts";

export { Coordinator } from "./cache/sharing/coordinator.ts";

export interface GatewayDependencies {
  /** Absent where no namespace is bound: then nothing is cached. */
  readonly kv?: KVNamespace;
  /** Absent where isolates cannot be coordinated. */
  readonly coordinators?: DurableObjectNamespace<Coordinator>;
  readonly fetch: Fetch;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** Numbers from 0 to 1. */
  readonly random?: () => number;
}

/** At most so many retries, as a share of all requests, and so many for an isolate to begin with. */
const retryBudget = { percent: 10, reserve: 10 };

/** Builds what answers a request: answers known by their idempotency key, then the cache, then the providers in their order. */
export function createGateway(
  config: Config,
  { kv, coordinators, fetch, now = Date.now, random = Math.random }: GatewayDependencies,
): Gateway {
  const defaults: GenerationDefaults = {
    model: config.ai.model,
    maxTokens: config.ai.maxTokens,
    temperature: config.ai.temperature,
  };
  const members = config.ai.providers.map((provider): Member => {
    const breaker = createBreaker({
      now,
      probeLimitMs: config.deadlines.requestMs,
      onChange: (state) => logWarning("breaker", { provider: provider.name, state }),
    });
    return { provider: createProvider(provider, defaults, boundToRequest(fetch)), breaker };
  });
  const { afterMs, maxPercent } = config.hedge;
  const chain = firstAvailable(members, {
    limits: config.deadlines,
    retries: createBudget(retryBudget),
    hedge: afterMs > 0 ? { afterMs, budget: createBudget({ percent: maxPercent, reserve: 0 }) } : undefined,
    random,
  });
  const { generate, purge } = withCache(chain, config.cache, defaults, kv, coordinators);
  const operation = { name: "generate", finishReason: ({ choices }: Generation) => choices[0].finishReason };
  return { generate: recorded(generate, operation), purge, readiness: readiness(members, now) };
}

/** The chain behind what is remembered of its answers. */
function withCache(
  chain: Generate,
  config: Config["cache"],
  defaults: GenerationDefaults,
  kv: KVNamespace | undefined,
  coordinators: DurableObjectNamespace<Coordinator> | undefined,
): Pick<Gateway, "generate" | "purge"> {
  const { enabled, scope, keySecret, encryptionKey, coordinate: isCoordinated } = config;
  const { memoryBytes, readTimeoutMs, ttlSeconds, staleSeconds } = config;
  const digest = digestWith(keySecret);
  const seal = encryptionKey === undefined ? unsealed : sealedWith(encryptionKey);
  if (!kv || !enabled) {
    return { generate: idempotent(chain, { digest, seal, readTimeoutMs }), purge: async () => {} };
  }
  const store = kvStore(kv);
  const keptSeconds = ttlSeconds + staleSeconds;
  const keys = keyOf({ defaults, scope, secret: keySecret });
  const epochs = createEpochs({ store, digest, keptSeconds });
  const entries = createEntries({ store, seal, epochs, memoryBytes, keptSeconds, readTimeoutMs });
  const coordinate =
    coordinators && isCoordinated
      ? coordinatedBy({ objects: coordinators, seal, claimTimeoutMs: readTimeoutMs })
      : uncoordinated;
  const answers = cached(chain, { entries, coordinate, keyOf: keys, lifetimes: { ttlSeconds, staleSeconds } });
  return {
    generate: idempotent(answers, { digest, store, seal, readTimeoutMs }),
    purge: purgeFrom(entries, epochs, keys),
  };
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
