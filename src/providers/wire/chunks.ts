import { hasToken } from "../../collect.ts";
import type { GenerationChunk, GenerationStream } from "../../generation.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { EventReader } from "./events.ts";

/** What a provider's events say of an answer. */
export interface EventDecoder<Event> {
  /** Puts what an event holds into a batch. Whether it is the last one. Throws `UpstreamFailure`. */
  take(event: Event, batch: GenerationChunk[]): boolean;
  /** Whether the answer is complete already, so that nothing that goes wrong after it matters. */
  isComplete(): boolean;
  /** The body has ended: puts what is left into a batch. Throws `UpstreamFailure` where the answer is not complete. */
  end(batch: GenerationChunk[]): void;
}

/** How long a complete answer is waited for to say more, such as its usage. */
const moreLimitMs = 1_000;

/** So many events, and reads of the body without one, may follow each other that say nothing of the answer: no model thinks longer. */
const maxSilentEvents = 10_000;

/**
 * A stream's `read` from its events: all chunks of one read of the body. Those that come before a failure are handed out
 * first. Throws `UpstreamFailure` wire `malformed` where it goes on and says nothing.
 */
export function chunkReader<Event>(events: EventReader<Event>, decoder: EventDecoder<Event>): GenerationStream["read"] {
  let isOver = false;
  let failure: { readonly cause: unknown } | undefined;
  let silentEvents = 0;

  function take(found: Iterable<Event> | undefined, batch: GenerationChunk[]): boolean {
    if (!found) {
      decoder.end(batch);
      return true;
    }
    silentEvents++;
    for (const event of found) {
      const before = batch.length;
      if (decoder.take(event, batch)) return true;
      silentEvents = hasTokenFrom(before, batch) ? 0 : silentEvents + 1;
      if (silentEvents > maxSilentEvents) break;
    }
    if (silentEvents > maxSilentEvents) throw UpstreamFailure.wire("malformed");
    return false;
  }

  return async () => {
    for (;;) {
      if (failure) throw failure.cause;
      if (isOver) return undefined;
      const batch: GenerationChunk[] = [];
      try {
        isOver = take(await events.read(decoder.isComplete() ? moreLimitMs : undefined), batch);
      } catch (cause) {
        isOver = decoder.isComplete();
        if (isOver) decoder.end(batch);
        else failure = { cause };
      }
      if (isOver) events.leave();
      if (batch.length > 0) return batch;
    }
  };
}

function hasTokenFrom(start: number, chunks: readonly GenerationChunk[]): boolean {
  for (let index = start; index < chunks.length; index++) {
    const chunk = chunks[index];
    if (chunk && hasToken(chunk)) return true;
  }
  return false;
}
