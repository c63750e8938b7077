import type { GenerationChunk, GenerationStream } from "../../generation.ts";
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

/** A stream's `read` from its events: all chunks of one read of the body. Those that come before a failure are handed out first. */
export function chunkReader<Event>(events: EventReader<Event>, decoder: EventDecoder<Event>): GenerationStream["read"] {
  let isOver = false;
  let failure: { readonly cause: unknown } | undefined;

  function take(found: Iterable<Event> | undefined, batch: GenerationChunk[]): boolean {
    if (!found) {
      decoder.end(batch);
      return true;
    }
    for (const event of found) if (decoder.take(event, batch)) return true;
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
        if (!isOver) failure = { cause };
      }
      if (isOver) events.leave();
      if (batch.length > 0) return batch;
    }
  };
}
