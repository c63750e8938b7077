import type { Caller, Identify } from "./caller.ts";
import type { ChatSessions, Chatting } from "./chat.ts";
import type { DocumentRef, DocumentText } from "./document.ts";
import type { EmbeddingRequest, Embeddings } from "./embedding.ts";
import type { Generation, GenerationRequest } from "./generation.ts";
import type { Share } from "./in-flight.ts";
import type { Results } from "./kept-results.ts";
import type { KeyAdministration } from "./managed-key.ts";
import type { Spent } from "./metered.ts";
import type { Answer } from "./operation.ts";
import type { Quotas } from "./policy.ts";
import type { RequestRecord } from "./record.ts";
import type { Reports } from "./reports.ts";
import type { RpcAnswer, RpcRequest } from "./rpc.ts";
import type { TaskAnswer, TaskRequest } from "./task.ts";

/** W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  /** 32 lowercase hexadecimal digits, the caller's where it sent a valid `traceparent`. */
  readonly traceId: string;
  /** The header to send upstream: the same trace with a span of our own. */
  readonly traceparent: string;
}

/** The ids of the gateways that a request has walked through, this one's last. */
export type Hops = readonly string[];

/** What travels beside a request: who asked, how long it may take, and where to write down what happened. */
export interface Call {
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly hops: Hops;
  readonly caller: Caller;
  /** Whether the caller wants the answer piece by piece. An upstream may still answer whole. */
  readonly stream: boolean;
  /** How a streamed answer is handed out: as it comes, or held back until it is complete. */
  readonly delivery: Delivery;
  /** Names the request for its tenant and, where a token names one, its user: asked again under the same key, it gets the same answer. */
  readonly idempotencyKey?: string;
  /** When the caller must have its answer, in Unix milliseconds. */
  readonly deadlineMs: number;
  /** Where requests are hedged, when the next provider is asked too at the latest. */
  readonly hedgeAfterMs?: number;
  /** Aborted when the caller has left. */
  readonly signal: AbortSignal;
  /** The caller's `Cache-Control` header. */
  readonly cacheControl?: string;
  /** Keeps work alive past the answer (Workers' `ctx.waitUntil`). */
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly record: RequestRecord;
  /**
   * Told of each question to the providers that is asked on this request's behalf, with what it has taken once that has
   * ended. An answer from elsewhere (the cache, another request's call) comes without one.
   */
  readonly onAsked?: (spent: Promise<Spent>) => void;
  /** What is held in memory for it. */
  readonly memory: Share;
}

export type Delivery = "live" | "atomic";

/**
 * Anything that answers: a provider, a chain of providers, a cache before a chain. Wrappers have the shape of what they wrap.
 * Throws `UpstreamFailure` (a provider) or `GatewayError` (everything above).
 */
export type Upstream<Request, Response> = (request: Request, call: Call) => Promise<Response>;

export type GenerationAnswer = Answer<Generation>;

/** What a provider does of an operation. The call's `requestId`, `signal` and `deadlineMs` are those of its own attempt. */
export interface Offer<Request, Response> {
  /** The first parameter of the request that this provider cannot carry, by its wire name; `model` before all others. */
  unsupported(request: Request): string | undefined;
  /** The parameters that it leaves out, since the answer answers the same question without them; absent where that is none. */
  omitted?(request: Request): readonly string[];
  /** Whether it would answer by another model than was asked for; absent where that makes no difference. */
  substitutes?(request: Request): boolean;
  readonly ask: Upstream<Request, Response>;
  /** It may turn out to know no streams (`unimplemented`), and is then asked for the whole answer instead. */
  readonly mayLackStreams?: true;
  /** It has the operation only in the place of those who may lack it. */
  readonly standsIn?: true;
}

/** An AI back end as the chain sees it. */
export interface Provider {
  /** As configured, unique in the chain; shown in `x-qingyu-provider`. */
  readonly name: string;
  /** By the operation's name. */
  readonly offers: {
    readonly generate?: Offer<GenerationRequest, GenerationAnswer>;
    readonly embed?: Offer<EmbeddingRequest, Embeddings>;
    /** RPCs of the contract. */
    readonly rpcs?: ReadonlyMap<string, Offer<RpcRequest, RpcAnswer>>;
  };
  /** How many tokens its model's context has, where the settings say so. */
  readonly contextTokens?: number;
  /** The models that the settings name for it. */
  readonly namedModels: readonly string[];
  /**
   * Asks the back end for the models that it takes by their own names; throws where it does not say them all. Absent where a
   * back end offers no such question.
   */
  readonly listModels?: (signal: AbortSignal, hops: Hops) => Promise<readonly string[]>;
  /** Asks the back end how it is; throws where it does not answer. Absent where a back end offers no such question. */
  readonly probe?: (signal: AbortSignal, hops: Hops) => Promise<HealthStatus>;
}

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

export type BreakerState = "closed" | "open" | "half_open";

export interface ProviderHealth {
  readonly status: HealthStatus;
  /** `open`: it is not asked; `half_open`: the next request tries whether it is back. */
  readonly breaker: BreakerState;
  /** How long the probe took; absent for providers that are not probed. */
  readonly latencyMs?: number;
}

/** How the providers are: by name, in the chain's order. */
export type Readiness = ReadonlyMap<string, ProviderHealth>;

/** The models that there are to be asked for. */
export interface KnownModels {
  readonly names: readonly string[];
  /** The same by the provider that has them, in the chain's order. */
  readonly byProvider: ReadonlyMap<string, readonly string[]>;
  /** Whether every provider has said which it has, so that there are no others. */
  readonly isComplete: boolean;
  /** Whether every provider that can say them has just done so. */
  readonly isUpToDate: boolean;
}

/** Forgets cached answers: all of a tenant's, or the one to a caller's request, by its operation's name. Throws a `GatewayError` where that is not certain. */
export interface Purge {
  readonly all: (tenant: string) => Promise<void>;
  readonly generate: (caller: Caller, request: GenerationRequest) => Promise<void>;
  readonly embed: (caller: Caller, request: EmbeddingRequest) => Promise<void>;
}

/** The product without HTTP: who may ask, what answers a request, and how its back ends are. */
export interface Gateway {
  readonly identify: Identify;
  readonly keys: KeyAdministration;
  readonly generate: Upstream<GenerationRequest, GenerationAnswer>;
  readonly embed: Upstream<EmbeddingRequest, Embeddings>;
  readonly task: Upstream<TaskRequest, TaskAnswer>;
  /** The contract's other RPCs, each by its operation's name. */
  readonly rpc: (name: string) => Upstream<RpcRequest, RpcAnswer>;
  readonly chat: Chatting;
  readonly chats: ChatSessions;
  /** A chapter's text, from wherever it is kept. */
  readonly chapterText: Upstream<DocumentRef, DocumentText>;
  /** The same from the platform alone; undefined where it gives none. */
  readonly platformText: Upstream<DocumentRef, DocumentText | undefined>;
  readonly purge: Purge;
  readonly quotas: Quotas;
  readonly reports: Reports;
  /** What was kept of results, by their ids. */
  readonly results: Results;
  /** Whether a caller's policy lets him ask for a model. */
  readonly mayUse: (caller: Caller, model: string) => boolean;
  /** How the providers are now, or were a few seconds ago. */
  readonly readiness: (hops: Hops) => Promise<Readiness>;
  /** Which models there are now, or were a few minutes ago. */
  readonly models: (hops: Hops) => Promise<KnownModels>;
}
