import { hasToken, isEmpty, isStream } from "../answer.ts";
import { GatewayError, UpstreamFailure } from "../errors.ts";
import type { Answer, GenerationChunk, GenerationRequest, GenerationStream } from "../generation.ts";
import type { AttemptRecord } from "../telemetry/record.ts";
import type { Call, Generate, Provider } from "../upstream.ts";
import { leadsToNext, toGatewayError } from "./failures.ts";
import { type Limit, startLimit } from "./limit.ts";

export interface ChainLimits {
  /** How long a stream's first token may take. */
  readonly firstTokenMs: number;
  /** How long a stream may be silent between two tokens. */
  readonly idleMs: number;
}

/** The share of the remaining time that an attempt may use while another provider is left. */
const shareWithOthers = 0.6;

/**
 * Asks the providers that can carry the request, one after the other, until one answers. A whole answer counts when it is
 * complete and not empty, a stream from its first token on; a stream that fails after that throws from its chunks.
 *
 * Throws a `GatewayError`: 400 `unsupported_parameter` where no provider can carry the request, the caller's own fault as
 * soon as a provider names it, else the failure of the first provider that was asked (design section 5).
 */
export function firstAvailable(providers: readonly Provider[], limits: ChainLimits): Generate {
  return async (request, call) => {
    const able = providers.filter((provider) => provider.unsupported(request) === undefined);
    if (able.length === 0) throw unsupportedParameter(providers, request);

    let first: UpstreamFailure | undefined;
    for (const [index, provider] of able.entries()) {
      const remainingMs = call.deadlineMs - Date.now();
      if (remainingMs <= 0) break;
      const shareMs = index === able.length - 1 ? remainingMs : remainingMs * shareWithOthers;
      try {
        return await attempt(provider, request, call, Date.now() + shareMs, limits);
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) throw error;
        if (!leadsToNext(error)) throw toGatewayError(first ?? error);
        first ??= error;
      }
    }
    throw toGatewayError(first ?? UpstreamFailure.wire("timeout"));
  };
}

function unsupportedParameter(providers: readonly Provider[], request: GenerationRequest): GatewayError {
  const param = providers[0]?.unsupported(request);
  return new GatewayError("invalid_request", `No configured provider supports the parameter '${param}'.`, {
    code: "unsupported_parameter",
    param,
  });
}

/** One provider's turn, until its whole answer or its stream's first token. Throws an `UpstreamFailure`, or why the caller's signal aborted. */
async function attempt(
  provider: Provider,
  request: GenerationRequest,
  call: Call,
  shareEndsMs: number,
  limits: ChainLimits,
): Promise<Answer> {
  const startedMs = Date.now();
  const record: AttemptRecord = { provider: provider.name, outcome: "ok", durationMs: 0 };
  call.record.attempts.push(record);
  const endsMs = call.stream ? Math.min(shareEndsMs, startedMs + limits.firstTokenMs) : shareEndsMs;
  const limit = startLimit(call.signal, endsMs, () => UpstreamFailure.wire("timeout"));
  try {
    // A stream that has begun cannot fall back any more, so it may use all the time that is left.
    const deadlineMs = call.stream ? call.deadlineMs : shareEndsMs;
    const answer = await provider.generate(request, { ...call, signal: limit.signal, deadlineMs });
    if (isStream(answer)) return await begin(answer, call, limit, limits.idleMs, record);
    if (isEmpty(answer)) throw UpstreamFailure.wire("empty");
    limit.release();
    return answer;
  } catch (error) {
    throw fail(error, call, limit, record);
  } finally {
    record.durationMs = Date.now() - startedMs;
  }
}

/** Ends an attempt that went wrong: what aborted it is the reason, and what still runs of it is aborted. */
function fail(error: unknown, call: Call, limit: Limit, record: AttemptRecord): unknown {
  const reason: unknown = call.signal.aborted ? callerLeft() : limit.signal.aborted ? limit.signal.reason : error;
  limit.release(reason instanceof Error ? reason : undefined);
  record.outcome = reason instanceof UpstreamFailure ? reason.failure.reason : "canceled";
  return reason;
}

const callerLeft = () => new GatewayError("cancelled", "The caller left.");

/** Waits for a stream's first token, so that everything before it can still fall back. */
async function begin(
  answer: GenerationStream,
  call: Call,
  limit: Limit,
  idleMs: number,
  record: AttemptRecord,
): Promise<GenerationStream> {
  const chunks = answer.chunks[Symbol.asyncIterator]();
  let model = answer.model;
  for (;;) {
    const { done, value: chunk } = await chunks.next();
    if (done) throw UpstreamFailure.wire("empty");
    model = chunk.model ?? model;
    if (hasToken(chunk) || chunk.finishReason === "content_filter") {
      return { ...answer, model, chunks: follow(chunk, chunks, call, limit, idleMs, record) };
    }
  }
}

/** The rest of a stream, under the idle limit. The time that the caller takes to read does not count against the provider. */
async function* follow(
  first: GenerationChunk,
  chunks: AsyncIterator<GenerationChunk>,
  call: Call,
  limit: Limit,
  idleMs: number,
  record: AttemptRecord,
): AsyncGenerator<GenerationChunk> {
  let idleLeftMs = idleMs;
  let chunk = first;
  try {
    for (;;) {
      limit.moveTo(call.deadlineMs);
      yield chunk;
      if (hasToken(chunk)) idleLeftMs = idleMs;
      const waitingSinceMs = Date.now();
      limit.moveTo(Math.min(call.deadlineMs, waitingSinceMs + idleLeftMs));
      const next = await chunks.next();
      if (next.done) break;
      idleLeftMs -= Date.now() - waitingSinceMs;
      chunk = next.value;
    }
    limit.release();
  } catch (error) {
    const reason = fail(error, call, limit, record);
    throw reason instanceof UpstreamFailure ? toGatewayError(reason) : reason;
  } finally {
    // Where the reader stopped early, nothing may go on upstream.
    limit.release(callerLeft());
  }
}
