import { aside } from "./aside.ts";
import { createIdentify } from "./auth/identify.ts";
import { authorOffers } from "./authors/offer.ts";
import { createRemembering } from "./cache/remembering.ts";
import type { Coordinator } from "./cache/sharing/coordinator.ts";
import { type Encryption, encryptedWith, unencrypted } from "./cache/storage/encryption.ts";
import { digestWith } from "./cache/storage/key.ts";
import { createChapterTexts } from "./chapters/chapter-texts.ts";
import { createChats } from "./chats/chats.ts";
import type { Chats } from "./chats/chats-object.ts";
import { isStream } from "./collect.ts";
import type { Config } from "./config/config.ts";
import { createProviders } from "./create-providers.ts";
import { createInFlight, inFlightLimits } from "./in-flight.ts";
import { createManagedKeys } from "./keys/managed-keys.ts";
import type { KeyRegistry } from "./keys/registry.ts";
import { createLedger } from "./ledger/ledger.ts";
import type { Ledger, LedgerTenants } from "./ledger/ledger-object.ts";
import { noReports } from "./ledger/reports.ts";
import { metered, type Settle } from "./metered.ts";
import type { Answer, Operation, WholeAnswer } from "./operation.ts";
import { embedOperation } from "./operations/embed.ts";
import { generateOperation } from "./operations/generate.ts";
import { rpcOperation } from "./operations/rpc.ts";
import { taskOperation } from "./operations/task.ts";
import { createPlatform } from "./platform/platform.ts";
import type { Account } from "./policy/account.ts";
import { type Accounts, accountsIn } from "./policy/accounts.ts";
import { createHolders, mayUse } from "./policy/holders.ts";
import { createCharging, type Limiting, limited } from "./policy/limited.ts";
import { quotasIn } from "./policy/quotas.ts";
import { costOf, priceFor, unitsOf } from "./price.ts";
import type { Fetch } from "./providers/wire/send.ts";
import { type Answered, recorded } from "./recorded.ts";
import type { Member } from "./resilience/able.ts";
import { createBreaker } from "./resilience/breaker.ts";
import { createBudget } from "./resilience/budget.ts";
import { toGatewayError } from "./resilience/failures.ts";
import { type ChainOptions, firstAvailable } from "./resilience/first-available.ts";
import { knownModels } from "./resilience/known-models.ts";
import { readiness } from "./resilience/readiness.ts";
import type { ResultKeeper } from "./results/result-object.ts";
import { createResults } from "./results/results.ts";
import type { RpcAnswer, RpcRequest } from "./rpc.ts";
import type { Rpc } from "./rpcs/rpc.ts";
import { rpcs } from "./rpcs/rpcs.ts";
import { knowledgeSearch } from "./rpcs/search-knowledge.ts";
import { createRuns } from "./runs/carried-on.ts";
import { type Carrier, createCarrier } from "./runs/carrier.ts";
import type { RunObject } from "./runs/run-object.ts";
import { taskOffer } from "./tasks/offer.ts";
import { logWarning } from "./telemetry/log.ts";
import type { Gateway, Offer, Provider, Upstream } from "./upstream.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

export { Coordinator } from "./cache/sharing/coordinator.ts";
export { Chats } from "./chats/chats-object.ts";
export { KeyRegistry } from "./keys/registry.ts";
export { Ledger, LedgerTenants } from "./ledger/ledger-object.ts";
export { Account } from "./policy/account.ts";
export { ResultKeeper } from "./results/result-object.ts";
export { RunObject } from "./runs/run-object.ts";

export interface GatewayDependencies {
  /** Absent where no namespace is bound: then nothing is cached. */
  readonly kv?: KVNamespace;
  /** Absent where isolates cannot be coordinated. */
  readonly coordinators?: DurableObjectNamespace<Coordinator>;
  /** Absent where nobody who has limits can be let in by them. */
  readonly accounts?: DurableObjectNamespace<Account>;
  /** Absent where nothing stands before the accounts. */
  readonly floodGate?: RateLimit;
  /** Absent where it is not written down who used what. */
  readonly ledgers?: Ledgers;
  /** Who knows managed keys. Absent where none are bound: then nothing can be said of such a key. */
  readonly keyRegistries?: DurableObjectNamespace<KeyRegistry>;
  /** Absent where no result is kept. */
  readonly results?: DurableObjectNamespace<ResultKeeper>;
  /** Absent where no work outlives its caller. */
  readonly runs?: DurableObjectNamespace<RunObject>;
  /** Absent where no chat is kept. */
  readonly chats?: DurableObjectNamespace<Chats>;
  /** Whoever asks has been held to his limits elsewhere. */
  readonly isAdmitted?: true;
  readonly fetch: Fetch;
}

/** The objects that keep what was used. */
interface Ledgers {
  readonly ofTenant: DurableObjectNamespace<Ledger>;
  readonly tenants: DurableObjectNamespace<LedgerTenants>;
}

/** At most so many retries, as a share of all requests, and so many for an isolate to begin with. */
const retryBudget = { percent: 10, reserve: 10 };

/** Nobody waits longer for what an answer could do without. */
const asideMs = 3_000;

/**
 * Builds what answers requests. Each operation walks through the same corridor: answers known by their idempotency key,
 * then the cache, then the providers that offer it, in their order. Breakers, budgets and storage are shared by all.
 */
export function createGateway(
  config: Config,
  {
    kv,
    coordinators,
    keyRegistries,
    accounts: accountObjects,
    floodGate,
    ledgers,
    results,
    runs,
    chats,
    isAdmitted,
    fetch,
  }: GatewayDependencies,
): Gateway {
  const { ai, auth, deadlines, hedge, cache } = config;
  const keys = createManagedKeys(keyRegistries);
  const { providers, defaults, embedding, contextTokens } = createProviders(config, fetch);
  const members = providers.map((provider) => {
    const { name } = provider;
    return { provider, breaker: createBreaker((change) => logWarning("breaker", { provider: name, ...change })) };
  });
  const chain: ChainOptions = {
    retries: createBudget(retryBudget),
    hedge:
      hedge.afterMs > 0
        ? { afterMs: hedge.afterMs, budget: createBudget({ percent: hedge.maxPercent, reserve: 0 }) }
        : undefined,
  };
  const ledger = ledgers && createLedger({ ledgers: ledgers.ofTenant, tenants: ledgers.tenants, ...config.usage });
  const settle: Settle = (call, operation, spent) => ledger?.charge(call, operation, spent);
  const { remembered, purge } = createRemembering(cache, { kv, coordinators });

  const accounts = accountsIn(accountObjects);
  const limiting = { ...limitingBy(config, accounts), gate: floodGate, onUnreachable: config.limits.onUnreachable };

  function corridor<Request, Whole extends WholeAnswer>(
    operation: Operation<Request, Whole>,
    able: readonly Member<Request, Answer<Whole>>[],
    {
      defaultModel = "",
      upstream = firstAvailable(operation, able, chain),
      carriedOn = (providers) => providers,
    }: CorridorOptions<Request, Whole> = {},
  ) {
    const { ask, forget } = remembered(operation, carriedOn(metered(operation, upstream, settle)));
    const modelOf = (request: Request) => operation.modelOf(request) || defaultModel;
    const allowed = isAdmitted ? ask : limited(operation, ask, modelOf, limiting);
    const omittedBy = (name: string, request: Request) =>
      able.find(({ provider }) => provider.name === name)?.offer.omitted?.(request);
    const onAnswered: Answered = (call, name, end) => ledger?.noteAnswered(call, name, end);
    return {
      ask: recorded(operation, allowed, { omittedBy, onAnswered }),
      // It counts for no limit: its caller has not asked for it.
      aside: aside(ask, asideMs),
      forget,
    };
  }
  const { scope } = cache;
  const common = { limits: deadlines, lifetimes: cache, scope };
  const generators = offering(members, ({ offers }) => offers.generate);
  const generate = corridor(generateOperation({ defaults, ...common }), generators, {
    defaultModel: ai.model,
  });
  const embedders = offering(members, ({ offers }) => offers.embed);
  const embed = corridor(embedOperation({ defaults: embedding, ...common }), embedders, {
    defaultModel: ai.embeddingModel,
  });
  const task = corridor(taskOperation({ defaultModel: ai.model, ...common }), offering(members, taskOffer), {
    defaultModel: ai.model,
  });
  const knowledge = cache.knowledgeSeconds > 0 ? { ttlSeconds: cache.knowledgeSeconds, staleSeconds: 0 } : undefined;
  const [digest, encryption] = [digestWith(cache.keySecret), encryptionOf(config)];
  const carried = runs && config.runs.maxMs > 0 ? createRuns({ objects: runs, digest, encryption }) : undefined;
  const rpcUpstream = (rpc: Rpc) => {
    const limits = { ...deadlines, requestMs: Math.min(deadlines.requestMs, rpc.mostMs ?? deadlines.requestMs) };
    const operation = rpcOperation(rpc, { limits, lifetimes: rpc.kept && knowledge, scope });
    const own = offering(members, ({ offers }) => offers.rpcs?.get(rpc.name));
    // Those who can themselves are asked first, then language models, which know nothing of the project.
    const authors = rpc.author && ai.creativeFallback ? offering(members, authorOffers(rpc.author)) : [];
    const able = [...own, ...authors];
    const carriedOn = rpc.isLong && carried ? (providers: RpcChain) => carried(rpc, operation, providers) : undefined;
    const { ask, aside } = corridor(operation, able, able.length > 0 ? { carriedOn } : { upstream: unoffered });
    return { ask: neverStreamed(ask), aside: neverStreamed(aside) };
  };
  const rpcUpstreams = new Map(rpcs.map((rpc) => [rpc.name, rpcUpstream(rpc)]));
  const rpcNamed = (name: string) => {
    const upstreams = rpcUpstreams.get(name);
    if (!upstreams) throw new Error(`there is no RPC ${name}`);
    return upstreams;
  };
  const searchKnowledge = knowledgeSearch((name) => rpcNamed(name).aside);
  const { url: platformUrl, ...platformRest } = config.platform;
  const platform = platformUrl === undefined ? undefined : createPlatform({ url: platformUrl, ...platformRest, fetch });
  return {
    identify: createIdentify(auth, keys, fetch),
    keys,
    generate: generate.ask,
    embed: neverStreamed(embed.ask),
    task: neverStreamed(task.ask),
    rpc: (name) => rpcNamed(name).ask,
    ...createChats({
      objects: chats,
      generate: generate.ask,
      searchKnowledge,
      contextTokens,
      answerTokens: defaults.platform.maxTokens,
      // Where texts are sealed, nobody is to try whether one that he guesses is among them.
      digest: digestWith(cache.keySecret ?? cache.encryptionKey),
      encryption,
      keptDays: config.chats.keptDays,
    }),
    chapterText: createChapterTexts({ platform, searchKnowledge }),
    platformText: async (ref, call) => await platform?.documentOf(ref, call),
    reports: ledger ?? noReports,
    results: createResults({ objects: results, digest, encryption }),
    purge: { all: purge, generate: generate.forget, embed: embed.forget },
    quotas: quotasIn(accounts, limiting.limitOf),
    mayUse: (caller, model) => mayUse(limiting.limitOf(caller)?.policy ?? {}, model),
    readiness: readiness(members),
    models: knownModels(providers),
  };
}

/**
 * Builds what does the work of runs in their objects' isolates: a gateway without storage, in which a request may take as
 * long as a run. Callers were let in where they asked, and pay when the run has ended.
 */
export function createRunCarrier(
  config: Config,
  { accounts, ledgers, fetch }: Pick<GatewayDependencies, "accounts" | "ledgers" | "fetch">,
): Carrier {
  const { maxMs } = config.runs;
  const patient = { ...config, deadlines: { ...config.deadlines, requestMs: maxMs } };
  const { rpc: upstreamOf } = createGateway(patient, { isAdmitted: true, ledgers, fetch });
  return createCarrier({
    upstreamOf,
    maxMs,
    encryption: encryptionOf(config),
    inFlight: createInFlight(inFlightLimits),
    charge: createCharging(limitingBy(config, accountsIn(accounts))),
  });
}

function limitingBy(
  { policies, usage: { prices } }: Config,
  accounts: Accounts,
): Pick<Limiting, "limitOf" | "accounts" | "costOf"> {
  return {
    limitOf: createHolders(policies),
    accounts,
    costOf(model, usage) {
      const price = priceFor(model, prices);
      return price && unitsOf(costOf(usage, price));
    },
  };
}

function encryptionOf({ cache: { encryptionKey } }: Config): Encryption {
  return encryptionKey === undefined ? unencrypted : encryptedWith(encryptionKey);
}

type RpcChain = Upstream<RpcRequest, Answer<RpcAnswer>>;

interface CorridorOptions<Request, Whole extends WholeAnswer> {
  /** By what a request that names no model is judged. */
  readonly defaultModel?: string;
  /** What asks the providers, where that is not the chain of them. */
  readonly upstream?: Upstream<Request, Answer<Whole>>;
  /** What stands before them, and may have them asked elsewhere. */
  readonly carriedOn?: (providers: Upstream<Request, Answer<Whole>>) => Upstream<Request, Answer<Whole>>;
}

/** Answers for an operation that no configured provider offers. */
async function unoffered(): Promise<never> {
  throw toGatewayError(UpstreamFailure.peer("unimplemented"), { shouldRetry: false });
}

type OfferOf<Request, Response> = (provider: Provider) => Offer<Request, Response> | undefined;

/** The members that offer an operation. */
function offering<Request, Response>(
  members: readonly Omit<Member<Request, Response>, "offer">[],
  offerOf: OfferOf<Request, Response>,
): Member<Request, Response>[] {
  return members.flatMap((member) => {
    const offer = offerOf(member.provider);
    return offer ? [{ ...member, offer }] : [];
  });
}

/** For operations without a collector. */
function neverStreamed<Request, Whole extends WholeAnswer>(
  upstream: Upstream<Request, Answer<Whole>>,
): Upstream<Request, Whole> {
  return async (request, call) => {
    const answer = await upstream(request, call);
    if (isStream(answer)) throw new Error("an answer came as a stream that no surface can write");
    return answer;
  };
}
