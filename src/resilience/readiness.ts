import type { Provider, ProviderHealth, Readiness } from "../upstream.ts";

/** A probe's result is used for this long, so that health checks cannot load the back ends. */
const probeEveryMs = 5_000;
const probeTimeoutMs = 2_000;

/**
 * Tells how the providers are: by asking those that can be asked, at most once in five seconds each, while the others
 * count as healthy because they are configured. Never throws.
 */
export function readiness(providers: readonly Provider[], now = Date.now): () => Promise<Readiness> {
  // Only plain results are kept: a request may not wait for I/O that another request began.
  let known: Readiness | undefined;
  let knownUntilMs = 0;
  return async () => {
    if (known && now() < knownUntilMs) return known;
    knownUntilMs = now() + probeEveryMs;
    const entries = providers.map(async (provider) => [provider.name, await healthOf(provider, now)] as const);
    known = new Map(await Promise.all(entries));
    return known;
  };
}

async function healthOf({ probe }: Provider, now: () => number): Promise<ProviderHealth> {
  if (!probe) return { status: "healthy" };
  const startedMs = now();
  try {
    const status = await probe(AbortSignal.timeout(probeTimeoutMs));
    return { status, latencyMs: now() - startedMs };
  } catch {
    return { status: "unhealthy", latencyMs: now() - startedMs };
  }
}
