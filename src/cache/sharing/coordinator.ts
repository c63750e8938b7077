import { DurableObject } from "cloudflare:workers";

/** How long an answer is handed to isolates that come late: KV may take as long to show it to them. */
const answerKeptMs = 60_000;

export type Claim =
  | { readonly role: "lead" }
  | { readonly role: "wait" }
  | { readonly role: "done"; readonly answer: Uint8Array };

/**
 * One call to a provider for all isolates that want the same at the same time: an object of this class for each request's
 * digest. It holds sealed bytes, in memory only, and knows nothing of what is in them.
 */
export class Coordinator extends DurableObject {
  private leaseEndsMs = 0;
  private answer: Uint8Array | undefined;
  private answerEndsMs = 0;
  private readonly waiting = new Set<(answer: Uint8Array | undefined) => void>();

  /** Who asks first leads until it settles, at most until `leaseEndsMs` (Unix milliseconds). */
  claim(leaseEndsMs: number): Claim {
    const nowMs = Date.now();
    if (this.answer && nowMs < this.answerEndsMs) return { role: "done", answer: this.answer };
    if (nowMs < this.leaseEndsMs) return { role: "wait" };
    this.leaseEndsMs = leaseEndsMs;
    return { role: "lead" };
  }

  /** What the leader got: an answer for all, or nothing that is of use to others, who then ask for themselves. */
  settle(answer: Uint8Array | undefined): void {
    this.leaseEndsMs = 0;
    this.answer = answer;
    this.answerEndsMs = Date.now() + answerKeptMs;
    for (const tell of this.waiting) tell(answer);
    this.waiting.clear();
  }

  /** Waits until the leader has settled or its time is over. */
  async outcome(): Promise<Uint8Array | undefined> {
    const leftMs = this.leaseEndsMs - Date.now();
    if (leftMs <= 0) return this.answer;
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
    this.waiting.add(resolve);
    const timer = setTimeout(() => resolve(undefined), leftMs);
    const answer = await promise;
    clearTimeout(timer);
    this.waiting.delete(resolve);
    return answer;
  }
}
