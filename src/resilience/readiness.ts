import type { HealthStatus, Hops, Provider, ProviderHealth, Readiness } from "../upstream.ts";
import { settlesWithin } from "../waiting.ts";
import type { Breaker } from "./breaker.ts";

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
 * Tells how the providers are: by asking those that can be asked, at most once in five seconds each and never by two
 * callers at once, while the others count as healthy because they are configured; and by their breakers, as they stand now.
 * Who comes while somebody else asks is told what was known before or, where nothing was, waits for what he finds. Never
 * throws.
 */
export function readiness(members: readonly ProbedMember[]): (hops: Hops) => Promise<Readiness> {
  let known: ReadonlyMap<ProbedMember, Probed> | undefined;
  let knownUntilMs = 0;
  /** After this whoever probes is given up: the runtime can end a request without a word. */
  let probingUntilMs = 0;
  const waiting = new Set<() => void>();

  async function probeAll(hops: Hops) {
    const startedMs = Date.now();
    probingUntilMs = startedMs + probeTimeoutMs + graceMs;
    const probes = members.map(async (member) => [member, await probe(member.provider, hops)] as const);
    known = new Map(await Promise.all(probes));
    knownUntilMs = startedMs + probeEveryMs;
    probingUntilMs = 0;
    for (const wake of waiting) wake();
    waiting.clear();
    return known;
  }

  async function probedMembers(hops: Hops) {
    for (;;) {
      const nowMs = Date.now();
      if (known && nowMs < knownUntilMs) return known;
      if (nowMs >= probingUntilMs) return await probeAll(hops);
      if (known) return known;
      // A request may not wait for I/O that another one began, so each has a promise and a timer of its own.
      const woken = Promise.withResolvers<void>();
      waiting.add(woken.resolve);
      await settlesWithin(woken.promise, probingUntilMs - nowMs);
    }
  }
  return async (hops) =>
    new Map([...(await probedMembers(hops))].map(([member, probed]) => [member.provider.name, judge(member, probed)]));
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
