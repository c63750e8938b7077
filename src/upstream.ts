import type { Answer, GenerationRequest } from "./generation.ts";
import type { RequestRecord } from "./telemetry/record.ts";
import type { TraceContext } from "./telemetry/trace.ts";

/** What travels beside a request: who asked, how long it may take, and where to write down what happened. */
export interface Call {
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly tenant: string;
  /** Whether the caller wants the answer piece by piece. An upstream may still answer whole. */
  readonly stream: boolean;
  /** When the caller must have its answer, in Unix milliseconds. */
  readonly deadlineMs: number;
  /** Aborted when the caller has left; for a provider, also when its time is up. */
  readonly signal: AbortSignal;
  /** The caller's `Cache-Control` header. */
  readonly cacheControl?: string;
  /** Keeps work alive past the answer (Workers' `ctx.waitUntil`). */
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly record: RequestRecord;
}

/**
 * Anything that answers: a provider, a chain of providers, a cache before a chain. Wrappers have the shape of what they wrap.
 * Throws `UpstreamFailure` (a provider) or `GatewayError` (everything above).
 */
type Upstream<Request, Response> = (request: Request, call: Call) => Promise<Response>;

export type Generate = Upstream<GenerationRequest, Answer>;

/** An AI back end as the chain sees it. */
export interface Provider {
  /** As configured, unique in the chain; shown in `x-qingyu-provider`. */
  readonly name: string;
  /** The first parameter of the request that this provider cannot carry, by its wire name. */
  unsupported(request: GenerationRequest): string | undefined;
  readonly generate: Generate;
  /** Asks the back end how it is; throws where it does not answer. Absent where a back end offers no such question. */
  readonly probe?: (signal: AbortSignal) => Promise<HealthStatus>;
}

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

export interface ProviderHealth {
  readonly status: HealthStatus;
  /** How long the probe took; absent for providers that are not probed. */
  readonly latencyMs?: number;
}

/** How the providers are: by name, in the chain's order. */
export type Readiness = ReadonlyMap<string, ProviderHealth>;

/** The product without HTTP: what answers a request, and how its back ends are. */
export interface Gateway {
  readonly generate: Generate;
  /** How the providers are now, or were a few seconds ago. */
  readonly readiness: () => Promise<Readiness>;
}
