import { GatewayError } from "./errors.ts";

/*
 * An isolate has 128 MB and serves many callers at once, so what their requests hold in memory while they live is counted:
 * beyond a budget a request is refused rather than the isolate ended. Bytes are what things come to in V8's heap at their
 * worst and are no measurement; who takes them says why.
 */

/** What is held in memory for all requests in flight, and who of a tenant's keeps the thread busy. */
export interface InFlight {
  /** A share for one request of a tenant. What is left of it at `endsMs` (Unix milliseconds) is free again. */
  open(tenant: string, endsMs: number): Share;
}

/** What is held for one request, or for one piece of work that several share. */
export interface Share {
  /** When it ends by itself, in Unix milliseconds. */
  readonly endsMs: number;
  /** Less than 0 gives back. Throws a `GatewayError` `overloaded` where the isolate or the tenant holds too much already. */
  take(bytes: number): void;
  /** The same for what can be done without: says whether it was taken. */
  mayTake(bytes: number): boolean;
  /** Takes what many requests may hold at once and what counts once then. Throws as `take` does. */
  takeShared(thing: object, bytes: number): void;
  /**
   * Waits until it is this one's turn to keep the thread busy for so long, in milliseconds. The requests of a tenant take
   * turns, with room between two of them for everybody else: work that all of them begin at once would be one long piece.
   */
  turn(workMs: number): Promise<void>;
  /** Another share for the same tenant, which ends by itself. */
  another(endsMs: number): Share;
  /** Gives all of it back. Whatever is taken after that does not count. */
  release(): void;
}

export interface InFlightLimits {
  readonly maxBytes: number;
  /** Of one tenant, so that the others find room. */
  readonly maxTenantBytes: number;
}

/** Half of an isolate: the rest is the code's, the caches', and V8's own to move things about. */
export const inFlightLimits: InFlightLimits = { maxBytes: 64 * 1024 * 1024, maxTenantBytes: 32 * 1024 * 1024 };

/** From the beginning of a turn to that of the tenant's next one, in turns. */
const turnSpacing = 1.25;

/** How long it is before it is looked again for what requests have left behind that the runtime ended without a word. */
const betweenSweepsMs = 1_000;

/** Nothing is in flight. */
export function createInFlight({ maxBytes, maxTenantBytes }: InFlightLimits): InFlight {
  const tenants = new Map<string, { bytes: number; shares: number; nextTurnMs: number }>();
  const shares = new Set<Share>();
  const shared = new Map<object, { readonly bytes: number; holders: number }>();
  let totalBytes = 0;
  let nextSweepMs = 0;

  function sweep(): void {
    const nowMs = Date.now();
    if (nowMs < nextSweepMs) return;
    nextSweepMs = nowMs + betweenSweepsMs;
    for (const share of shares) if (share.endsMs <= nowMs) share.release();
  }

  function open(name: string, endsMs: number): Share {
    const tenant = tenants.get(name) ?? { bytes: 0, shares: 0, nextTurnMs: 0 };
    tenants.set(name, tenant);
    tenant.shares++;
    let ownBytes = 0;
    const things = new Set<object>();
    const fits = (bytes: number) =>
      bytes <= 0 || (totalBytes + bytes <= maxBytes && tenant.bytes + bytes <= maxTenantBytes);
    const count = (bytes: number) => {
      tenant.bytes += bytes;
      totalBytes += bytes;
    };

    const share: Share = {
      endsMs,
      mayTake(bytes) {
        if (!shares.has(share)) return true;
        if (!fits(bytes)) sweep();
        if (!fits(bytes)) return false;
        ownBytes += bytes;
        count(bytes);
        return true;
      },
      take(bytes) {
        if (!share.mayTake(bytes)) throw overloaded();
      },
      takeShared(thing, bytes) {
        if (!shares.has(share) || things.has(thing)) return;
        let held = shared.get(thing);
        if (!held) {
          share.take(bytes);
          // From now on it is not this share's own, which may end before the others.
          ownBytes -= bytes;
          held = { bytes, holders: 0 };
          shared.set(thing, held);
        }
        held.holders++;
        things.add(thing);
      },
      async turn(workMs) {
        const nowMs = Date.now();
        const atMs = Math.max(nowMs, tenant.nextTurnMs);
        tenant.nextTurnMs = atMs + turnSpacing * workMs;
        // Each waits with a timer of its own, so that nobody waits for a request that the runtime has ended.
        if (atMs > nowMs) await new Promise((resolve) => setTimeout(resolve, atMs - nowMs));
      },
      another: (otherEndsMs) => open(name, otherEndsMs),
      release() {
        if (!shares.delete(share)) return;
        count(-ownBytes);
        for (const thing of things) {
          const held = shared.get(thing);
          if (!held || --held.holders > 0) continue;
          shared.delete(thing);
          count(-held.bytes);
        }
        if (--tenant.shares === 0) tenants.delete(name);
      },
    };
    shares.add(share);
    return share;
  }

  return { open };
}

/** What a request is told for which there is no memory. */
export const overloaded = () =>
  new GatewayError("overloaded", "The gateway holds as much as it can for requests in flight.");
