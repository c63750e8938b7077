import { hasToken, isSignOfLife } from "../collect.ts";
import type { GenerationChunk, GenerationStream } from "../generation.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import type { Limit } from "./limit.ts";

/** How many times as long a stream may be without a token while it says that its model thinks. */
const thinkingFactor = 4;

export interface Begun {
  readonly stream: GenerationStream;
  /** What has come until its first token and with it. */
  readonly batch: readonly GenerationChunk[];
}

export interface BeginOptions {
  readonly limit: Limit;
  readonly firstTokenMs: number;
  readonly startedMs: number;
  /** Signs of life give a stream more time, until then at most, in Unix milliseconds. */
  readonly latestMs: number;
  /** Whether a stream without a token that ended so is an answer. */
  readonly isAnswerThoughEmpty: (finishReason?: string) => boolean;
}

/**
 * Waits for a stream's first token, or the end of one that needs none, so that everything before it can still fall back. Signs of life give it more time, not
 * all of it: what only pretends to live must not keep the next provider from being asked. Throws
 * `UpstreamFailure` wire `empty` where it ends before.
 */
export async function begin(
  stream: GenerationStream,
  { limit, firstTokenMs, startedMs, latestMs, isAnswerThoughEmpty }: BeginOptions,
): Promise<Begun> {
  const lastMs = Math.min(latestMs, startedMs + thinkingFactor * firstTokenMs);
  let model = stream.model;
  const held: GenerationChunk[] = [];
  for (;;) {
    const batch = await stream.read();
    if (!batch) {
      const finishReason = held.find((chunk) => chunk.finishReason)?.finishReason;
      if (isAnswerThoughEmpty(finishReason)) return { stream: { ...stream, model }, batch: held };
      throw UpstreamFailure.wire("empty", { finishReason });
    }
    const at = batch.findIndex((chunk) => hasToken(chunk) || chunk.finishReason === "content_filter");
    for (const chunk of at < 0 ? batch : batch.slice(0, at + 1)) model = chunk.model ?? model;
    if (at >= 0) return { stream: { ...stream, model }, batch: held.length > 0 ? [...held, ...batch] : batch };
    // It may be the end of a choice that has no text, or a gap.
    for (const chunk of batch) if (!isSignOfLife(chunk)) held.push(chunk);
    if (batch.some(isSignOfLife)) limit.moveTo(Math.min(lastMs, Date.now() + firstTokenMs));
  }
}

export interface LimitedOptions {
  readonly limit: Limit;
  readonly idleMs: number;
  /** When the stream's time is over, in Unix milliseconds. */
  readonly endsMs: number;
  /** It has ended well. */
  readonly onEnd?: () => void;
  /** It has failed; gives what is thrown instead. */
  readonly onFailure?: (error: unknown) => unknown;
}

/** A stream that has begun, under the idle limit. The time that the caller takes to read does not count against the provider. */
export function limited(
  { stream, batch }: Begun,
  { limit, idleMs, endsMs, onEnd, onFailure }: LimitedOptions,
): GenerationStream {
  const thinkingMs = thinkingFactor * idleMs;
  let first: readonly GenerationChunk[] | undefined = batch;
  let idleLeftMs = idleMs;
  let thinkingLeftMs = thinkingMs;
  limit.moveTo(endsMs);
  return {
    ...stream,
    async read() {
      if (first) {
        const begun = first;
        first = undefined;
        return begun;
      }
      const waitingSinceMs = Date.now();
      limit.moveTo(Math.min(endsMs, waitingSinceMs + Math.min(idleLeftMs, thinkingLeftMs)));
      let next: Awaited<ReturnType<GenerationStream["read"]>>;
      try {
        next = await stream.read();
      } catch (error) {
        throw onFailure ? onFailure(error) : error;
      }
      limit.moveTo(endsMs);
      if (!next) {
        onEnd?.();
        return undefined;
      }
      if (next.some(hasToken)) {
        idleLeftMs = idleMs;
        thinkingLeftMs = thinkingMs;
      } else {
        const waitedMs = Date.now() - waitingSinceMs;
        idleLeftMs = next.some(isSignOfLife) ? idleMs : idleLeftMs - waitedMs;
        thinkingLeftMs -= waitedMs;
      }
      return next;
    },
  };
}
