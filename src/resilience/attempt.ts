import { collect, hasToken, isEmpty, isStream } from "../collect.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, GenerationChunk, GenerationRequest, GenerationStream } from "../generation.ts";
import type { AttemptRecord } from "../record.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Provider } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import type { Permit } from "./breaker.ts";
import { toGatewayError, verdictOn } from "./failures.ts";
import { Superseded } from "./hedge.ts";
import { type Limit, startLimit } from "./limit.ts";

/** How many times as long a stream may be without a token while it says that its model thinks. */
const thinkingFactor = 4;

/** Time limits in milliseconds (settings deadlines.*). */
export interface Limits {
  readonly requestMs: number;
  /** How long a stream's first token may take. */
  readonly firstTokenMs: number;
  /** How long a stream may be silent between two tokens. */
  readonly idleMs: number;
}

export interface AttemptOptions {
  readonly provider: Provider;
  readonly permit: Permit;
  readonly request: GenerationRequest;
  readonly call: Call;
  /** When its time is over unless it has begun a stream to the caller, in Unix milliseconds. */
  readonly shareEndsMs: number;
  readonly limits: Limits;
  /**
   * Asked about a failure before any byte of an answer: whether the provider is asked once more. What one more try may mend
   * does not count for the breaker yet.
   */
  readonly willRetry: (failure: UpstreamFailure) => boolean;
  /** Its first token is there. */
  readonly onToken: () => void;
}

/** An attempt while it runs. */
interface Turn extends AttemptOptions {
  readonly limit: Limit;
  readonly record: AttemptRecord;
  readonly startedMs: number;
  /** Whether the caller reads a stream's tokens as they come. */
  readonly isLive: boolean;
  hasBegun: boolean;
  /** When its time is over, in Unix milliseconds. */
  endsMs: number;
}

/**
 * One provider's turn: until its whole answer, or until its stream's first token where the caller reads it live; the rest
 * of the stream then runs under the idle limit. What came of it is told to the breaker and written down.
 *
 * Throws an `UpstreamFailure`, or a `GatewayError` `cancelled` where the caller left or another attempt was faster. The
 * chunks of a live stream throw `GatewayError`s only.
 */
export async function attempt(options: AttemptOptions): Promise<Answer> {
  const { provider, permit, request, call, shareEndsMs, limits, onToken } = options;
  const startedMs = Date.now();
  const record: AttemptRecord = { provider: provider.name, outcome: "pending", durationMs: 0 };
  call.record.attempts.push(record);
  const firstEndsMs = call.stream ? Math.min(shareEndsMs, startedMs + limits.firstTokenMs) : shareEndsMs;
  const limit = startLimit(call.signal, firstEndsMs, () => UpstreamFailure.wire("timeout"));
  const isLive = call.stream && call.delivery === "live";
  const turn: Turn = { ...options, limit, record, startedMs, isLive, hasBegun: false, endsMs: shareEndsMs };
  try {
    // A stream that has begun live cannot fall back any more, so it may use all the time that is left.
    const deadlineMs = isLive ? call.deadlineMs : shareEndsMs;
    const comesWhole = () => limit.moveTo(shareEndsMs);
    let answer = await provider.generate(request, { ...call, signal: limit.signal, deadlineMs, comesWhole });
    turn.hasBegun = true;
    if (isStream(answer)) {
      turn.endsMs = deadlineMs;
      answer = await begin(answer, turn);
      onToken();
      // A probe has shown what it was sent for; it does not keep others away until its stream has ended.
      if (permit.isProbe) permit.succeed();
      if (isLive) {
        record.outcome = "ok";
        return answer;
      }
      answer = await collect(answer);
    }
    if (isEmpty(answer)) throw UpstreamFailure.wire("empty");
    limit.release();
    if (answer.hasGap) permit.fail();
    else permit.succeed();
    record.outcome = answer.hasGap ? "malformed" : "ok";
    return answer;
  } catch (error) {
    throw fail(error, turn);
  } finally {
    record.durationMs = Date.now() - startedMs;
  }
}

/** Ends an attempt that went wrong: what aborted it is the reason, and what still runs of it is aborted. */
function fail(error: unknown, turn: Turn): unknown {
  const { call, limit, permit, record, provider } = turn;
  if (call.signal.aborted) {
    record.outcome = call.signal.reason instanceof Superseded ? "superseded" : "canceled";
    permit.release();
    limit.release();
    return callerLeft();
  }
  const reason: unknown = limit.signal.aborted ? limit.signal.reason : error;
  limit.release(reason instanceof Error ? reason : undefined);
  if (!(reason instanceof UpstreamFailure)) {
    record.outcome = "internal";
    permit.release();
    return reason;
  }
  const { blames, alarm } = verdictOn(reason.failure);
  record.outcome = reason.failure.reason;
  const isOver = turn.hasBegun || !turn.willRetry(reason);
  if (isOver && blames === "provider" && hadFairTime(reason, turn)) permit.fail();
  else permit.release();
  if (alarm) logWarning("alarm", { requestId: call.requestId, provider: provider.name, reason: record.outcome });
  return reason;
}

const callerLeft = () => new GatewayError("cancelled", "The caller left.");

/**
 * Whether a timeout says something about the provider, and not only about a caller in a hurry or about what earlier
 * providers left of the time. Otherwise one caller's short deadlines would open the breaker for all.
 */
function hadFairTime({ failure }: UpstreamFailure, { startedMs, endsMs, limits }: Turn): boolean {
  if (failure.reason !== "timeout" && failure.reason !== "deadline_exceeded") return true;
  const nowMs = Date.now();
  const wasOwnLimit = failure.origin === "wire" && nowMs < endsMs;
  return wasOwnLimit || nowMs - startedMs >= Math.min(limits.firstTokenMs, limits.requestMs / 4);
}

/**
 * Waits for a stream's first token, so that everything before it can still fall back. Signs of life give it more time, not
 * all of it: what only pretends to live must not keep the next provider from being asked.
 */
async function begin(stream: GenerationStream, turn: Turn): Promise<GenerationStream> {
  const { limit, limits, shareEndsMs, startedMs } = turn;
  const latestMs = Math.min(shareEndsMs, startedMs + thinkingFactor * limits.firstTokenMs);
  let model = stream.model;
  for (;;) {
    const batch = await stream.read();
    if (!batch) throw UpstreamFailure.wire("empty");
    const at = batch.findIndex((chunk) => hasToken(chunk) || chunk.finishReason === "content_filter");
    for (const chunk of at < 0 ? batch : batch.slice(0, at + 1)) model = chunk.model ?? model;
    if (at >= 0) return { ...stream, model, read: limited(batch.slice(at), stream, turn) };
    if (batch.some(isSignOfLife)) limit.moveTo(Math.min(latestMs, Date.now() + limits.firstTokenMs));
  }
}

const isSignOfLife = (chunk: GenerationChunk) => chunk.isSignOfLife === true;

/** A stream under the idle limit. The time that the caller takes to read does not count against the provider. */
function limited(begun: readonly GenerationChunk[], stream: GenerationStream, turn: Turn): GenerationStream["read"] {
  const { limit, limits, endsMs, permit } = turn;
  let first: readonly GenerationChunk[] | undefined = begun;
  const thinkingMs = thinkingFactor * limits.idleMs;
  let idleLeftMs = limits.idleMs;
  let thinkingLeftMs = thinkingMs;
  limit.moveTo(endsMs);
  return async () => {
    if (first) {
      const batch = first;
      first = undefined;
      return batch;
    }
    try {
      const waitingSinceMs = Date.now();
      limit.moveTo(Math.min(endsMs, waitingSinceMs + Math.min(idleLeftMs, thinkingLeftMs)));
      const batch = await stream.read();
      limit.moveTo(endsMs);
      if (!batch) {
        limit.release();
        permit.succeed();
        return undefined;
      }
      const waitedMs = Date.now() - waitingSinceMs;
      const hasTokens = batch.some(hasToken);
      thinkingLeftMs = hasTokens ? thinkingMs : thinkingLeftMs - waitedMs;
      idleLeftMs = hasTokens || batch.some(isSignOfLife) ? limits.idleMs : idleLeftMs - waitedMs;
      return batch;
    } catch (error) {
      // Held back, the attempt itself has failed, and the next provider is asked.
      if (!turn.isLive) throw error;
      const reason = fail(error, turn);
      throw reason instanceof UpstreamFailure ? toGatewayError(reason) : reason;
    }
  };
}
