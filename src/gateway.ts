import { createRemembering } from "./cache/remembering.ts";
import type { Coordinator } from "./cache/sharing/coordinator.ts";
import type { Config, ProviderConfig } from "./config/config.ts";
import type { GenerationDefaults } from "./generation.ts";
import { generateOperation } from "./operations/generate.ts";
import { aiService } from "./providers/ai-service/ai-service.ts";
import { anthropic } from "./providers/anthropic/anthropic.ts";
import { openai } from "./providers/openai/openai.ts";
import { boundToRequest } from "./providers/wire/request-binding.ts";
import type { Fetch } from "./providers/wire/send.ts";
import { recorded } from "./recorded.ts";
import { createBreaker } from "./resilience/breaker.ts";
import { createBudget } from "./resilience/budget.ts";
import { type ChainOptions, firstAvailable, type Member } from "./resilience/first-available.ts";
import { readiness } from "./resilience/readiness.ts";
import { logWarning } from "./telemetry/log.ts";
import type { Gateway, Offer, Provider } from "./upstream.ts";

export { Coordinator } from "./cache/sharing/coordinator.ts";

export interface GatewayDependencies {
  /** Absent where no namespace is bound: then nothing is cached. */
  readonly kv?: KVNamespace;
  /** Absent where isolates cannot be coordinated. */
  readonly coordinators?: DurableObjectNamespace<Coordinator>;
  readonly fetch: Fetch;
}

/** At most so many retries, as a share of all requests, and so many for an isolate to begin with. */
const retryBudget = { percent: 10, reserve: 10 };

/**
 * Builds what answers requests. Each operation walks through the same corridor: answers known by their idempotency key,
 * then the cache, then the providers that offer it, in their order. Breakers, budgets and storage are shared by all.
 */
export function createGateway(config: Config, { kv, coordinators, fetch }: GatewayDependencies): Gateway {
  const { ai, deadlines, hedge, cache } = config;
  const defaults: GenerationDefaults = { model: ai.model, maxTokens: ai.maxTokens, temperature: ai.temperature };
  const members = ai.providers.map((provider) => {
    const onChange = (state: string) => logWarning("breaker", { provider: provider.name, state });
    const breaker = createBreaker({ probeLimitMs: deadlines.requestMs, onChange });
    return { provider: createProvider(provider, defaults, boundToRequest(fetch)), breaker };
  });
  const chain: ChainOptions = {
    retries: createBudget(retryBudget),
    hedge:
      hedge.afterMs > 0
        ? { afterMs: hedge.afterMs, budget: createBudget({ percent: hedge.maxPercent, reserve: 0 }) }
        : undefined,
  };
  const { remembered, purge } = createRemembering(cache, { kv, coordinators });

  const generation = generateOperation({ defaults, limits: deadlines, scope: cache.scope });
  const generate = remembered(
    generation,
    firstAvailable(
      generation,
      offering(members, ({ generate }) => generate),
      chain,
    ),
  );
  return {
    generate: recorded(generation, generate.ask),
    purge: async (tenant, request) => await (request ? generate.forget(tenant, request) : purge(tenant)),
    readiness: readiness(members),
  };
}

/** The members that offer an operation. */
function offering<Request, Response>(
  members: readonly Omit<Member<Request, Response>, "offer">[],
  offerOf: (offers: Provider["offers"]) => Offer<Request, Response> | undefined,
): Member<Request, Response>[] {
  return members.flatMap((member) => {
    const offer = offerOf(member.provider.offers);
    return offer ? [{ ...member, offer }] : [];
  });
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
