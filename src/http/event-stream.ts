import type { GenerationChunk } from "../generation.ts";
import type { RequestRecord } from "../record.ts";

export interface EventStreamOptions {
  /** Silence after which a comment is sent, in milliseconds; 0 for never. */
  readonly heartbeatMs: number;
  readonly record: RequestRecord;
  /** The caller has stopped reading. */
  readonly onLeave: () => void;
}

/** A server-sent event (HTML standard, 9.2): an optional name and one line of data. */
export function sseEvent(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}

/** Writes the pieces of an answer as a surface's events. */
export interface Encoder {
  /** The events of a chunk; empty where the surface has nothing to say of it. */
  chunk(chunk: GenerationChunk): string;
  /** The events that end an answer which is complete. */
  end(): string;
}

/** A comment, which readers of server-sent events skip. */
export const heartbeat = ": keep-alive\n\n";

/**
 * What comes within so long after a write waits until then, so that what comes in a burst leaves in few writes: a write
 * costs more than all else that is done for a token.
 */
const burstMs = 1;
const maxBurstUnits = 64 * 1024;

/**
 * Sends events, each of them whole, as fast as the caller reads, and comments where they are silent for too long. `next`
 * gives all events that have come, perhaps none, and undefined at the end. It must not throw: it says what went wrong in
 * its own last event.
 */
export function eventStream(next: () => Promise<string | undefined>, options: EventStreamOptions): Response {
  const { heartbeatMs, record, onLeave } = options;
  const encoder = new TextEncoder();
  const ended = Promise.withResolvers<void>();
  record.streamed = ended.promise;
  record.responseBytes = 0;
  let lastSentMs = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;

  let burstEndsMs = 0;
  /** Asked for already, but not there in time to leave with what came before it. */
  let coming: Promise<string | undefined> | undefined;

  const end = () => {
    if (timer !== undefined) clearTimeout(timer);
    ended.resolve();
  };
  const take = () => {
    const taken = coming ?? next();
    coming = undefined;
    return taken;
  };

  /** What else comes until the burst ends. */
  async function restOfBurst(): Promise<string> {
    const late = new Promise<"late">((resolve) => setTimeout(resolve, burstEndsMs - Date.now(), "late"));
    let rest = "";
    while (rest.length < maxBurstUnits) {
      const asked = take();
      const more = await Promise.race([asked, late]);
      if (more === "late" || more === undefined) {
        coming = asked;
        break;
      }
      rest += more;
    }
    return rest;
  }

  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (heartbeatMs === 0) return;
      const beat = () => {
        const silentMs = Date.now() - lastSentMs;
        if (silentMs < heartbeatMs) {
          timer = setTimeout(beat, heartbeatMs - silentMs);
          return;
        }
        // A caller that does not read would only collect comments.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(heartbeat));
        lastSentMs = Date.now();
        timer = setTimeout(beat, heartbeatMs);
      };
      timer = setTimeout(beat, heartbeatMs);
    },
    async pull(controller) {
      let text = await take();
      while (text === "") text = await take();
      if (text !== undefined && Date.now() < burstEndsMs) text += await restOfBurst();
      if (text === undefined) {
        end();
        controller.close();
        return;
      }
      const bytes = encoder.encode(text);
      record.responseBytes = (record.responseBytes ?? 0) + bytes.byteLength;
      lastSentMs = Date.now();
      burstEndsMs = lastSentMs + burstMs;
      controller.enqueue(bytes);
    },
    cancel() {
      record.error = "cancelled";
      onLeave();
      end();
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" },
  });
}
