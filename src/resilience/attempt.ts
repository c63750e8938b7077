import { nothingCame, noting } from "../came.ts";
import { collect, isStream } from "../collect.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Limits, Operation, WholeAnswer } from "../operation.ts";
import type { AttemptRecord } from "../record.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Offer } from "../upstream.ts";
import { UpstreamFailure, type WireReason } from "../upstream-failure.ts";
import type { Blame, Fault, Permit } from "./breaker.ts";
import { toGatewayError, verdictOn } from "./failures.ts";
import { Superseded } from "./hedge.ts";
import { type Limit, startLimit } from "./limit.ts";
import { begin, limited } from "./limited.ts";

export interface AttemptOptions<Request, Whole extends WholeAnswer> {
  readonly operation: Operation<Request, Whole>;
  /** Name of the provider that makes the offer. */
  readonly provider: string;
  readonly offer: Offer<Request, Answer<Whole>>;
  readonly permit: Permit;
  readonly request: Request;
  readonly call: Call;
  /** Whether anybody else could be asked instead; a stream's first token then has to come soon. */
  readonly hasOthers: boolean;
  /** When its time is over unless it has begun a stream to the caller, in Unix milliseconds. */
  readonly shareEndsMs: number;
}

/** What came of an attempt. */
export type Outcome<Whole> = { readonly answer: Answer<Whole> } | Failed;

export interface Failed {
  readonly failure: UpstreamFailure;
  /** Whether something of an answer had come; then the same provider is not asked again. */
  readonly hasBegun: boolean;
  /** What it says to the breaker, unless another try mends it. */
  readonly fault: Fault;
}

/** An attempt while it runs. */
interface Turn {
  readonly provider: string;
  /** Whether an answer that ended so may be empty through its caller's own doing. */
  readonly mayEndEmpty: (finishReason: string) => boolean;
  readonly permit: Permit;
  readonly call: Call;
  readonly limit: Limit;
  readonly limits: Limits;
  readonly record: AttemptRecord;
  readonly startedMs: number;
  hasBegun: boolean;
  /** When its time is over, in Unix milliseconds. */
  endsMs: number;
}

/**
 * One provider's turn: until its whole answer, or until its stream's first token where the caller reads it live; the rest
 * of the stream then runs under the idle limit. What came of it is written down, and the breaker is told of good answers
 * and of streams that fail after they have begun live; any other failure is for whoever decides whether the provider is
 * asked again.
 *
 * Throws a `GatewayError` `cancelled` where the caller left or another attempt was faster, and what is no failure of the
 * provider's. A live stream throws `GatewayError`s only.
 */
export async function attempt<Request, Whole extends WholeAnswer>(
  options: AttemptOptions<Request, Whole>,
): Promise<Outcome<Whole>> {
  const { operation, provider, permit, request, call, hasOthers, shareEndsMs } = options;
  const { limits } = operation;
  const { idleMs } = limits;
  const firstTokenMs = hasOthers ? limits.firstTokenMs : Number.POSITIVE_INFINITY;
  const startedMs = Date.now();
  // The gateway's own, so that what the provider makes of it tells nothing that a caller has chosen.
  const upstreamRequestId = crypto.randomUUID();
  const record: AttemptRecord = { provider, outcome: "pending", durationMs: 0, upstreamRequestId };
  call.record.attempts.push(record);
  const firstEndsMs = call.stream ? Math.min(shareEndsMs, startedMs + firstTokenMs) : shareEndsMs;
  const limit = startLimit(call.signal, firstEndsMs, () => UpstreamFailure.wire("timeout"));
  const mayEndEmpty = (finishReason: string) => operation.mayEndEmpty?.(request, finishReason) ?? false;
  const isAnswerThoughEmpty = (finishReason?: string) =>
    finishReason !== undefined && (operation.isAnswerThoughEmpty?.(request, finishReason) ?? false);
  const settled = { provider, mayEndEmpty, permit, call, limit, limits, record };
  const turn: Turn = { ...settled, startedMs, hasBegun: false, endsMs: shareEndsMs };
  const isLive = call.stream && call.delivery === "live";
  // A stream that has begun live cannot fall back any more, so it may use all the time that is left.
  const deadlineMs = isLive ? call.deadlineMs : shareEndsMs;
  try {
    let answer = await ask(options, { ...call, requestId: upstreamRequestId, signal: limit.signal, deadlineMs }, limit);
    turn.hasBegun = true;
    if (isStream(answer)) {
      turn.endsMs = deadlineMs;
      const begun = await begin(answer, {
        limit,
        firstTokenMs,
        startedMs,
        latestMs: shareEndsMs,
        isAnswerThoughEmpty,
      });
      record.firstTokenMs = Date.now() - startedMs;
      // A probe has shown what it was sent for; it does not keep others away until its stream has ended.
      if (permit.isProbe) permit.succeed();
      if (isLive) {
        record.outcome = "ok";
        return { answer: limited(begun, { limit, idleMs, endsMs: deadlineMs, ...settledBy(turn) }) };
      }
      if (!operation.collector) throw new Error(`an answer to ${operation.name} came as a stream`);
      record.came = nothingCame(answer);
      const stream = noting(limited(begun, { limit, idleMs, endsMs: deadlineMs }), record.came);
      answer = await collect(stream, operation.collector(stream), call.memory);
    }
    const finishReason = operation.finishReason?.(answer);
    if (operation.isEmpty(answer) && !isAnswerThoughEmpty(finishReason)) {
      throw UpstreamFailure.wire("empty", { finishReason });
    }
    limit.release();
    if (answer.hasGap) permit.fail({ blame: "model", isAnswer: true, isAtLimit: false });
    else permit.succeed();
    record.outcome = answer.hasGap ? "malformed" : "ok";
    return { answer };
  } catch (error) {
    return failed(error, turn);
  } finally {
    record.durationMs = Date.now() - startedMs;
  }
}

/** Asks for the answer as the call wants it, or whole where the provider turns out to know no streams. */
async function ask<Request, Whole extends WholeAnswer>(
  { offer, request, shareEndsMs }: AttemptOptions<Request, Whole>,
  call: Call,
  limit: Limit,
): Promise<Answer<Whole>> {
  try {
    return await offer.ask(request, call);
  } catch (error) {
    const lacksStreams = error instanceof UpstreamFailure && error.failure.reason === "unimplemented";
    if (!call.stream || !offer.mayLackStreams || !lacksStreams) throw error;
    // A whole answer need not begin soon.
    limit.moveTo(shareEndsMs);
    return await offer.ask(request, { ...call, stream: false });
  }
}

/** What the end of a live stream means: nobody else can be asked any more. */
function settledBy(turn: Turn) {
  const { limit, permit } = turn;
  return {
    onEnd() {
      limit.release();
      permit.succeed();
    },
    onFailure(error: unknown): unknown {
      const { failure, fault } = failed(error, turn);
      permit.fail(fault);
      return toGatewayError(failure);
    },
  };
}

/** Ends an attempt that went wrong: what aborted it is the reason, and what still runs of it is aborted. */
function failed(error: unknown, turn: Turn): Failed {
  const { call, limit, permit, record, provider, hasBegun } = turn;
  if (call.signal.aborted) {
    record.outcome = call.signal.reason instanceof Superseded ? "superseded" : "canceled";
    permit.release();
    limit.release();
    throw new GatewayError("cancelled", "The caller left.");
  }
  const reason: unknown = limit.signal.aborted ? limit.signal.reason : error;
  limit.release(reason instanceof Error ? reason : undefined);
  if (!(reason instanceof UpstreamFailure)) {
    record.outcome = reason instanceof GatewayError ? reason.code : "internal";
    permit.release();
    throw reason;
  }
  const { kind, alarm } = verdictOn(reason.failure);
  record.outcome = reason.failure.reason;
  if (alarm) logWarning("alarm", { requestId: call.requestId, provider, reason: record.outcome });
  const isAnswer = reason.failure.origin === "peer" || !unanswered.has(reason.failure.reason);
  return {
    failure: reason,
    hasBegun,
    fault: { blame: blameFor(reason, turn), isAnswer, isAtLimit: kind === "rate_limited" },
  };
}

const unanswered: ReadonlySet<WireReason> = new Set(["unavailable", "timeout"]);

/** Whom a failure keeps away, as the table says unless the caller himself has brought it about. */
function blameFor({ failure, finishReason }: UpstreamFailure, turn: Turn): Blame {
  const { blame } = verdictOn(failure);
  if (finishReason !== undefined && turn.mayEndEmpty(finishReason)) return "nobody";
  if (failure.reason !== "timeout" && failure.reason !== "deadline_exceeded") return blame;
  const { call, startedMs, endsMs, limits } = turn;
  const nowMs = Date.now();
  if (failure.origin === "wire" && nowMs < endsMs) return blame;
  // The rest says something about the provider only where it had a fair time, and not what earlier ones had left of it.
  if (nowMs - startedMs < Math.min(limits.firstTokenMs, limits.requestMs / 4)) return "nobody";
  // A caller in a hurry may go elsewhere sooner, the others need not.
  const isInHurry = call.deadlineMs < call.record.startedAtMs + limits.requestMs;
  return isInHurry ? "tenant" : blame;
}
