import { DurableObject } from "cloudflare:workers";
import { createMemory } from "../storage/memory.ts";

/** How long an answer is handed to isolates that come late: KV may take as long to show it to them. */
const answerKeptMs = 60_000;
/** All answers of the objects that share an isolate; the oldest make room. */
const maxKeptBytes = 16 * 1024 * 1024;

/** Who asks, and under which lease. A lease's number is the time at which it began, in Unix milliseconds. */
export interface Claim {
  /** Whether the caller asks; else another one does, or has done, and `outcome` tells. */
  readonly leads: boolean;
  readonly lease: number;
}

interface Lease {
  readonly endsMs: number;
  readonly waiting: Set<(answer: Uint8Array | undefined) => void>;
}

interface Kept {
  readonly answer: Uint8Array;
  readonly lease: number;
  readonly endsMs: number;
}

const kept = createMemory<Kept>({ maxSize: maxKeptBytes, ttlMs: answerKeptMs });

/**
 * One call to a provider for all isolates that want the same at the same time: an object of this class for each key under
 * which answers are kept. It holds sealed bytes, in memory only, and knows nothing of what is in them.
 */
export class Coordinator extends DurableObject {
  /** Under way, in the order of their beginnings. */
  private readonly leases = new Map<number, Lease>();
  private lastLease = 0;
  private lastForgotten = 0;
  private readonly id = this.ctx.id.toString();

  /**
   * Who asks first leads until it settles, at most until `leaseEndsMs` (Unix milliseconds). What others ask or have got is of
   * use to a caller only where it was asked for within the last `maxAgeMs`; else it leads beside them.
   */
  claim(leaseEndsMs: number, maxAgeMs: number): Claim {
    const nowMs = Date.now();
    const oldestLease = nowMs - maxAgeMs;
    const answer = kept.get(this.id);
    if (answer && answer.lease >= oldestLease && nowMs < answer.endsMs) return { leads: false, lease: answer.lease };
    for (const [lease, { endsMs }] of this.leases) if (endsMs <= nowMs) this.leases.delete(lease);
    if (this.leases.has(this.lastLease) && this.lastLease >= oldestLease)
      return { leads: false, lease: this.lastLease };
    const lease = Math.max(nowMs, this.lastLease + 1);
    this.leases.set(lease, { endsMs: leaseEndsMs, waiting: new Set() });
    this.lastLease = lease;
    return { leads: true, lease };
  }

  /**
   * What a leader got: an answer for all, for at most `maxKeptMs`, or nothing that is of use to others, who then ask for
   * themselves. Whether it may be kept: it may not where it was forgotten while it was asked for.
   */
  settle(lease: number, answer: Uint8Array | undefined, maxKeptMs: number): boolean {
    this.end(lease, answer);
    if (lease <= this.lastForgotten) return false;
    const isNewest = lease > (kept.get(this.id)?.lease ?? 0);
    if (answer && isNewest) kept.put(this.id, { answer, lease, endsMs: Date.now() + maxKeptMs }, answer.byteLength);
    return true;
  }

  /** Waits until a lease's leader has settled or its time is over. */
  async outcome(lease: number): Promise<Uint8Array | undefined> {
    const found = this.leases.get(lease);
    const leftMs = (found?.endsMs ?? 0) - Date.now();
    if (!found || leftMs <= 0) {
      const answer = kept.get(this.id);
      return answer && answer.lease >= lease ? answer.answer : undefined;
    }
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
    found.waiting.add(resolve);
    const timer = setTimeout(() => resolve(undefined), leftMs);
    const answer = await promise;
    clearTimeout(timer);
    found.waiting.delete(resolve);
    return answer;
  }

  /** What was asked for until now is handed to nobody any more; who waits for it asks for himself. */
  forget(): void {
    this.lastLease = Math.max(Date.now(), this.lastLease);
    this.lastForgotten = this.lastLease;
    kept.drop(this.id);
    for (const lease of this.leases.keys()) this.end(lease, undefined);
  }

  private end(lease: number, answer: Uint8Array | undefined): void {
    for (const tell of this.leases.get(lease)?.waiting ?? []) tell(answer);
    this.leases.delete(lease);
  }
}
