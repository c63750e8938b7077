import { DurableObject } from "cloudflare:workers";
import { keptForSeconds } from "../cache/idempotency-key.ts";
import { callerError } from "../errors.ts";
import { overloaded, type Share } from "../in-flight.ts";
import { logWarning, runLine } from "../telemetry/log.ts";
import { settlesWithin } from "../waiting.ts";
import type { Carrier } from "./carrier.ts";
import { type Mark, runStorage } from "./run-storage.ts";
import { type Begun, type Ended, type Found, type Outcome, tellAttempt, tellError, type Work } from "./work.ts";

/** So many isolates may wait for one run at once. */
const maxWaiting = 32;
const keptForMs = keptForSeconds * 1000;

/** A run that was begun in this instance of the object. */
interface Current {
  readonly mark: Mark;
  readonly memory: Share;
  /** What is to be done, until that begins. */
  work?: Work;
  readonly over: PromiseWithResolvers<void>;
  ended?: Ended;
  waiting: number;
}

/**
 * One run for all who ask for long work under one idempotency key: an object of this class for each caller's key. The work
 * is done in an alarm, which depends on no caller, and never twice: an alarm comes at least once, so what it finds begun
 * already by an instance that is no more is lost. What is asked is in memory only; an answer is kept, sealed, as long as its key
 * stands for it, and then nothing is left.
 */
export class RunObject extends DurableObject<unknown> {
  private readonly stored = runStorage(this.ctx.storage);
  private readonly carrierOf: () => Carrier;
  private current?: Current;

  constructor(ctx: DurableObjectState, env: unknown, carrierOf: () => Carrier) {
    super(ctx, env);
    this.carrierOf = carrierOf;
  }

  /** Whether there is a run for a request, or an answer. Nothing is begun. */
  find(fingerprint: string): Found {
    const mark = this.known();
    if (!mark) return { state: "free" };
    return mark.fingerprint === fingerprint ? { state: "known", run: mark.run } : { state: "taken" };
  }

  /** Begins a run unless one goes on or there is an answer; that of the run `unreadable` counts for none. */
  async begin(work: Work, unreadable: string | undefined): Promise<Begun> {
    const known = this.known();
    if (known && known.run !== unreadable) {
      return known.fingerprint === work.fingerprint ? { state: "known", run: known.run } : { state: "taken" };
    }
    let memory: Share;
    try {
      memory = this.carrierOf().hold(work);
    } catch (error) {
      return { state: "refused", error: tellError(callerError(error)) };
    }
    const { fingerprint, requestId, trace, operation } = work;
    const { tenant, user, keyId } = work.caller;
    const caller = { tenant, user, roles: [], keyId };
    const { traceId } = trace;
    const run = crypto.randomUUID();
    const mark: Mark = { run, fingerprint, requestId, traceId, caller, operation, startedAtMs: Date.now() };
    this.stored.begin(mark);
    this.current = { mark, memory, work, over: Promise.withResolvers(), waiting: 0 };
    try {
      await this.ctx.storage.setAlarm(Date.now());
    } catch (error) {
      this.current = undefined;
      memory.release();
      throw error;
    }
    return { state: "begun", run };
  }

  /** Waits until a run has ended, at most so long. */
  async wait(run: string, limitMs: number): Promise<Outcome> {
    const { current } = this;
    if (current?.mark.run === run) {
      if (!current.ended && current.waiting >= maxWaiting) {
        return { state: "failed", error: tellError(overloaded()), attempts: [] };
      }
      current.waiting++;
      await settlesWithin(current.over.promise, limitMs);
      current.waiting--;
      return current.ended ?? { state: "running" };
    }
    const mark = this.stored.mark();
    if (mark?.run !== run || !mark.answered) return { state: "lost" };
    return { state: "answered", sealed: this.stored.answer(), attempts: mark.answered.attempts };
  }

  override async alarm(): Promise<void> {
    const { current } = this;
    if (current?.work) return await this.carry(current, current.work);
    const mark = this.stored.mark();
    const keptUntilMs = mark?.answered?.keptUntilMs ?? 0;
    if (Date.now() < keptUntilMs) return await this.ctx.storage.setAlarm(keptUntilMs);
    if (mark && !mark.answered) logLost(mark);
    await this.ctx.storage.deleteAll();
  }

  /** The run that goes on, or that has an answer. */
  private known(): Mark | undefined {
    const { current } = this;
    if (current && current.ended?.state !== "failed") return current.mark;
    const mark = this.stored.mark();
    return mark?.answered && Date.now() < mark.answered.keptUntilMs ? mark : undefined;
  }

  private async carry(current: Current, work: Work): Promise<void> {
    const { mark, memory } = current;
    current.work = undefined;
    const { record, behind, result } = await this.carrierOf().carry(work, memory);
    memory.release();
    const attempts = record.attempts.map(tellAttempt);
    console.log(runLine({ ...record, run: mark.run }, Date.now()));
    try {
      if ("error" in result) {
        current.ended = { state: "failed", error: tellError(result.error), attempts };
        await this.ctx.storage.deleteAll();
        return;
      }
      current.ended = { state: "answered", sealed: result.sealed, attempts };
      const keptUntilMs = Date.now() + keptForMs;
      this.stored.finish({ ...mark, answered: { keptUntilMs, attempts } }, result.sealed);
      await this.ctx.storage.setAlarm(keptUntilMs);
      // Who comes from now on reads it from the storage.
      this.current = undefined;
    } catch {
      // This instance has it still.
      logWarning("run_write_failed", { requestId: mark.requestId, run: mark.run });
    } finally {
      current.over.resolve();
      await Promise.allSettled(behind);
    }
  }
}

/** The instance that had begun it is no more: what it cost nobody knows. */
function logLost({ run, requestId, traceId, caller, operation, startedAtMs }: Mark): void {
  const record = { run, requestId, traceId, caller, operation, startedAtMs, attempts: [], error: "run_lost" };
  console.log(runLine(record, Date.now()));
}
