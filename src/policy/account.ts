import { DurableObject } from "cloudflare:workers";
import type { Policy, Quota } from "../policy.ts";
import { logWarning } from "../telemetry/log.ts";
import {
  type Ask,
  admit,
  type Books,
  count,
  emptyBooks,
  type Grant,
  type Held,
  quotaIn,
  standing,
  type Verdict,
} from "./books.ts";

/** What a request has taken in the end. */
export interface Taken {
  readonly tokens: number;
  readonly cost: number;
  /** Of a request that could not ask here first: when it began, in Unix milliseconds. */
  readonly unaskedAtMs?: number;
}

/** So long after its end a request is still known, for whoever settles it late or once more. */
const rememberedMs = 86_400_000;
const heldPrefix = "held:";

/**
 * What a tenant, one of its users or one key has taken and may take: an object of this class for each. One thread does all of
 * it, and nothing is answered before it is written: of those who come at once no more are let in than there is room for, and
 * a restart forgets nothing.
 */
export class Account extends DurableObject {
  private readonly books: Books;
  /** By the requests' ids. */
  private readonly held = new Map<string, Held>();
  private alarmAtMs = Number.POSITIVE_INFINITY;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { kv } = ctx.storage;
    this.books = kv.get<Books>("books") ?? emptyBooks(Date.now());
    for (const [key, held] of kv.list<Held>({ prefix: heldPrefix })) this.held.set(key.slice(heldPrefix.length), held);
    void ctx.blockConcurrencyWhile(async () => {
      this.alarmAtMs = (await ctx.storage.getAlarm()) ?? Number.POSITIVE_INFINITY;
    });
  }

  /** Asks to take something. Who asks once more under the same id has asked once. */
  async reserve(id: string, ask: Ask): Promise<Verdict> {
    const nowMs = Date.now();
    const known = this.held.get(id);
    if (known) return { held: known, standing: standing(this.books, [...this.held.values()], nowMs) };
    const verdict = admit(this.books, [...this.held.values()], ask, nowMs);
    if ("refusal" in verdict) return verdict;
    this.put(id, verdict.held);
    this.write();
    await this.wakeAt(verdict.held.endsMs);
    return verdict;
  }

  /** Says what a request has taken; nothing where it failed. Said once more it counts once. */
  async settle(id: string, { tokens, cost, unaskedAtMs }: Taken): Promise<void> {
    const nowMs = Date.now();
    const known = this.held.get(id);
    const atMs = known ? known.atMs : unaskedAtMs;
    if (atMs === undefined || known?.state === "settled") return;
    count(this.books, { tokens, cost, atMs }, nowMs);
    this.write();
    if (unaskedAtMs === undefined) {
      this.held.delete(id);
      this.ctx.storage.kv.delete(heldPrefix + id);
      return;
    }
    // Its question may still be on the way.
    this.put(id, { tokens: 0, cost: 0, atMs, endsMs: nowMs, state: "settled" });
    await this.wakeAt(nowMs + rememberedMs);
  }

  /** How the tokens stand, under these limits, or under those that held last where there were some. */
  quota(user: string | undefined, policy: Policy, isCurrent: boolean): Quota {
    const known = isCurrent ? undefined : this.books.policy;
    return quotaIn({ ...this.books, policy: known ?? policy }, user, Date.now());
  }

  /** An administrator's total in the place of the policy's. How the user's tokens stand then. */
  grant(grant: Grant, user: string, policy: Policy): Quota {
    this.books.grant = grant;
    this.change();
    return this.quota(user, policy, false);
  }

  /** From now on a user may take nothing. */
  suspend(user: string): void {
    if (!this.books.suspended.includes(user)) this.books.suspended.push(user);
    this.change();
  }

  /** The user may again. */
  activate(user: string): void {
    this.books.suspended = this.books.suspended.filter((each) => each !== user);
    this.change();
  }

  /** What nobody has settled in time holds nothing any more; a day later it is forgotten. */
  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, held] of this.held) {
      if (nowMs >= held.endsMs + rememberedMs) {
        this.held.delete(id);
        this.ctx.storage.kv.delete(heldPrefix + id);
        continue;
      }
      if (nowMs >= held.endsMs && !held.state) {
        this.put(id, { ...held, state: "lost" });
        logWarning("reservation_lost", { reservation: id });
      }
      nextMs = Math.min(nextMs, nowMs < held.endsMs ? held.endsMs : held.endsMs + rememberedMs);
    }
    this.alarmAtMs = Number.POSITIVE_INFINITY;
    await this.wakeAt(nextMs);
  }

  private put(id: string, held: Held): void {
    this.held.set(id, held);
    this.ctx.storage.kv.put(heldPrefix + id, held);
  }

  private write(): void {
    this.ctx.storage.kv.put("books", this.books);
  }

  private change(): void {
    this.books.updatedAtMs = Date.now();
    this.write();
  }

  private async wakeAt(timeMs: number): Promise<void> {
    if (timeMs >= this.alarmAtMs) return;
    this.alarmAtMs = timeMs;
    await this.ctx.storage.setAlarm(timeMs);
  }
}
