import type { HealthStatus, Hops, Provider, ProviderHealth, Readiness } from "../upstream.ts";
import type { Breaker } from "./breaker.ts";
import { seldom } from "./seldom.ts";

/** A probe's result is used for this long, so that health checks cannot load the back ends. */
const probeEveryMs = 5_000;
const probeTimeoutMs = 2_000;
const graceMs = 500;

interface ProbedMember {
  readonly provider: Provider;
  readonly breaker: Breaker;
}

type Probed = Pick<ProviderHealth, "status" | "latencyMs">;

/**
 * Tells how the providers are: by asking those that can be asked, at most once in five seconds each, while the others count
 * as healthy because they are configured; and by their breakers, as they stand now. Never throws.
 */
export function readiness(members: readonly ProbedMember[]): (hops: Hops) => Promise<Readiness> {
  const probedMembers = seldom({
    look: (hops) => Promise.all(members.map(async (member) => [member, await probe(member.provider, hops)] as const)),
    goodForMs: () => probeEveryMs,
    giveUpMs: probeTimeoutMs + graceMs,
  });
  return async (hops) =>
    new Map((await probedMembers(hops)).map(([member, probed]) => [member.provider.name, judge(member, probed)]));
}

/** A provider that is not asked cannot serve, however well it says it is. */
function judge({ breaker }: ProbedMember, { status, latencyMs }: Probed): ProviderHealth {
  const { state, lacksModel } = breaker.health();
  const atBest = status === "healthy" ? "degraded" : status;
  const judged: Readonly<Record<typeof state, HealthStatus>> = {
    closed: lacksModel ? atBest : status,
    half_open: atBest,
    open: "unhealthy",
  };
  return { status: judged[state], breaker: state, latencyMs };
}

async function probe({ probe }: Provider, hops: Hops): Promise<Probed> {
  if (!probe) return { status: "healthy" };
  const startedMs = Date.now();
  try {
    const status = await probe(AbortSignal.timeout(probeTimeoutMs), hops);
    return { status, latencyMs: Date.now() - startedMs };
  } catch {
    return { status: "unhealthy", latencyMs: Date.now() - startedMs };
  }
}
