import { DurableObject } from "cloudflare:workers";
import { keptForSeconds } from "../cache/idempotency-key.ts";
import type { Page } from "../page.ts";
import { dayMs } from "../periods.ts";
import { settlesWithin } from "../waiting.ts";
import type { Turn } from "./rows.ts";
import { createTables } from "./tables.ts";
import type { BegunTurn, EndedTurn, NewTurn, StoredMessage, StoredSession } from "./turn.ts";

/** So many may wait for turns of a user at once. */
const maxWaiting = 32;
const keysKeptForMs = keptForSeconds * 1_000;
/** Who sends a first message again later than that begins another session. */
const againWithinMs = 3_600_000;
/** What is to be forgotten at about the same time is forgotten together. */
const betweenAlarmsMs = 3_600_000;

/**
 * The chats of one user: an object of this class for each. Of one session one message is answered at a time, so that each is
 * answered with all that was said before it. What the object answers is on disk by then. What it keeps are sealed texts.
 */
export class Chats extends DurableObject {
  private readonly tables = createTables(this.ctx.storage);
  private keptDays = this.ctx.storage.kv.get<number>("keptDays");
  private hasAlarm = false;
  private readonly ends = new Map<number, PromiseWithResolvers<void>>();
  private waiting = 0;

  async make(session: Pick<StoredSession, "id" | "title" | "projectId">, keptDays: number): Promise<StoredSession> {
    const nowMs = Date.now();
    const { id, title, projectId } = session;
    const made = this.ctx.storage.transactionSync(() => {
      this.tables.makeSession(id, title, projectId, nowMs);
      this.tables.trim(id);
      return this.tables.session(id);
    });
    if (!made) throw new Error("a session that was just made is not there");
    await this.keepFor(keptDays);
    return made;
  }

  list(page: Page, projectId: string | undefined): readonly StoredSession[] {
    return this.tables.sessions(page, projectId);
  }

  /** Undefined where there is none, as of all that asks for one. */
  rename(id: string, title: Uint8Array): StoredSession | undefined {
    this.tables.rename(id, title, Date.now());
    return this.tables.session(id);
  }

  read(id: string, page: Page): { session: StoredSession; messages: readonly StoredMessage[] } | undefined {
    const session = this.tables.session(id);
    return session && { session, messages: this.tables.messages(id, page) };
  }

  /** Whether there was one. */
  remove(id: string): boolean {
    const wasThere = this.tables.remove(id);
    this.wake();
    return wasThere;
  }

  /** Begins to answer a message, unless it is answered already or another one has its turn. */
  async begin(asked: NewTurn): Promise<BegunTurn> {
    const begun = this.ctx.storage.transactionSync(() => this.beginAt(asked, Date.now()));
    if (begun.state === "begun") await this.keepFor(asked.keptDays);
    return begun;
  }

  /** Waits until a turn has ended, at most so long. False where too many wait. */
  async settled(turn: number, limitMs: number): Promise<boolean> {
    if (!this.tables.isPending(turn, Date.now())) return true;
    if (this.waiting >= maxWaiting) return false;
    const end = this.ends.get(turn) ?? Promise.withResolvers<void>();
    this.ends.set(turn, end);
    this.waiting++;
    await settlesWithin(end.promise, limitMs);
    this.waiting--;
    return true;
  }

  /** Writes down how a turn has ended: once, by who was the last to begin it. */
  end(ended: EndedTurn): void {
    this.ctx.storage.transactionSync(() => this.tables.end(ended));
    this.wake();
  }

  override async alarm(): Promise<void> {
    if (this.keptDays === undefined) return;
    this.tables.forgetSessionsBefore(Date.now() - this.keptDays * dayMs);
    await this.setAlarm(this.keptDays);
  }

  private beginAt(asked: NewTurn, nowMs: number): BegunTurn {
    const { tables } = this;
    const { claim, digest } = asked;
    const own = tables.turnFor(asked.attempt);
    if (own) return this.begun(own);
    tables.forgetKeysBefore(nowMs - keysKeptForMs);
    const claimed = claim && tables.turnOf(claim.name);
    if (claimed && claimed.fingerprint !== claim.fingerprint) return { state: "taken" };
    const given = asked.sessionId === undefined ? undefined : tables.session(asked.sessionId);
    if (asked.sessionId !== undefined && !given) return { state: "unknown" };

    const waitedFor = asked.after === undefined || claim ? undefined : tables.turn(asked.after);
    const known = claimed ?? (waitedFor?.digest === digest ? waitedFor : this.unanswered(asked, nowMs));
    if (known?.state === "answered" && known.answer && known.about) {
      const { answer, about, answeredMs = nowMs } = known;
      return { state: "answered", ...idsOf(known), answer, about, saidMs: answeredMs };
    }
    const sessionId = known?.sessionId ?? given?.id ?? asked.ids.sessionId;
    const pending = tables.pendingIn(sessionId, nowMs);
    if (pending) return { state: "pending", turn: pending.id };

    if (!known && !given) tables.makeSession(sessionId, undefined, asked.projectId, nowMs);
    const turn = known ?? tables.addTurn(sessionId, asked, nowMs);
    if (!turn) throw new Error("a turn that was just added is not there");
    tables.lease(turn.id, asked);
    tables.trim(sessionId);
    return this.begun(turn);
  }

  private begun(turn: Turn): BegunTurn {
    return { state: "begun", ...idsOf(turn), history: this.tables.history(turn.sessionId, turn.id) };
  }

  /** The turn in which the same message was left without an answer, if that is what is sent again. */
  private unanswered({ sessionId, digest, projectId, mayGoOn, claim }: NewTurn, nowMs: number) {
    const found =
      sessionId !== undefined
        ? this.tables.unanswered(sessionId, digest)
        : mayGoOn
          ? this.tables.begunWith(digest, projectId, nowMs - againWithinMs)
          : undefined;
    // What was asked under another key is another message.
    return found?.hasKey && claim ? undefined : found;
  }

  /** Lets those go on who wait for turns that have ended. */
  private wake(): void {
    for (const [turn, end] of this.ends) {
      if (this.tables.isPending(turn, Date.now())) continue;
      end.resolve();
      this.ends.delete(turn);
    }
  }

  private async keepFor(keptDays: number): Promise<void> {
    const isNew = keptDays !== this.keptDays;
    if (!isNew && this.hasAlarm) return;
    if (isNew) this.ctx.storage.kv.put("keptDays", keptDays);
    this.keptDays = keptDays;
    this.hasAlarm = !isNew && (await this.ctx.storage.getAlarm()) !== null;
    if (!this.hasAlarm) await this.setAlarm(keptDays);
  }

  /** For when there is something to be forgotten. */
  private async setAlarm(keptDays: number): Promise<void> {
    const oldestMs = this.tables.oldestMs();
    this.hasAlarm = oldestMs !== undefined;
    if (oldestMs === undefined) return;
    await this.ctx.storage.setAlarm(Math.max(oldestMs + keptDays * dayMs, Date.now() + betweenAlarmsMs));
  }
}

const idsOf = ({ id: turn, sessionId, answerId }: Turn) => ({ turn, sessionId, answerId });
