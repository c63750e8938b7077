import type { HealthStatus, Provider, ProviderHealth, Readiness } from "../upstream.ts";
import type { Breaker } from "./breaker.ts";

/** A probe's result is used for this long, so that health checks cannot load the back ends. */
const probeEveryMs = 5_000;
const probeTimeoutMs = 2_000;

interface ProbedMember {
  readonly provider: Provider;
  readonly breaker: Breaker;
}

type Probed = Pick<ProviderHealth, "status" | "latencyMs">;

/**
 * Tells how the providers are: by asking those that can be asked, at most once in five seconds each, while the others
 * count as healthy because they are configured; and by their breakers, as they stand now. Never throws.
 */
export function readiness(members: readonly ProbedMember[]): () => Promise<Readiness> {
  // Only plain results are kept: a request may not wait for I/O that another request began.
  let known: ReadonlyMap<ProbedMember, Probed> | undefined;
  let knownUntilMs = 0;
  const probeAll = async () => {
    if (known && Date.now() < knownUntilMs) return known;
    knownUntilMs = Date.now() + probeEveryMs;
    known = new Map(await Promise.all(members.map(async (member) => [member, await probe(member.provider)] as const)));
    return known;
  };
  return async () =>
    new Map([...(await probeAll())].map(([member, probed]) => [member.provider.name, judge(member, probed)]));
}

/** A provider that is not asked cannot serve, however well it says it is. */
function judge({ breaker }: ProbedMember, { status, latencyMs }: Probed): ProviderHealth {
  const state = breaker.state();
  const judged: Readonly<Record<typeof state, HealthStatus>> = {
    closed: status,
    half_open: status === "healthy" ? "degraded" : status,
    open: "unhealthy",
  };
  return { status: judged[state], breaker: state, latencyMs };
}

async function probe({ probe }: Provider): Promise<Probed> {
  if (!probe) return { status: "healthy" };
  const startedMs = Date.now();
  try {
    const status = await probe(AbortSignal.timeout(probeTimeoutMs));
    return { status, latencyMs: Date.now() - startedMs };
  } catch {
    return { status: "unhealthy", latencyMs: Date.now() - startedMs };
  }
}
