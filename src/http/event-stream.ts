import type { Context } from "hono";
import type { Config } from "../config/config.ts";
import { callerError, type GatewayError } from "../errors.ts";
import type { GenerationChunk, GenerationStream } from "../generation.ts";
import { shortChunks } from "../pieces.ts";
import { noteError } from "../record.ts";
import { settlesWithin } from "../waiting.ts";
import { answerHeaders } from "./answer-headers.ts";
import type { StartedCall, Walk } from "./call.ts";
import { maxWriteLength, type Pieces, streamedBody } from "./streamed-body.ts";

/** Writes an answer as a surface's events. */
export interface Encoder<Answer> {
  /** Takes the answer that is to be written, and gives it as a stream. */
  begin(answer: Answer): GenerationStream;
  /** The events of a chunk; empty where the surface has nothing to say of it. */
  chunk(chunk: GenerationChunk): string;
  /** The events that end an answer which is complete. */
  end(): string;
  /** The event that tells of a failure, before or after the answer has begun; nothing follows it. */
  error(error: GatewayError): string;
}

export interface EventStreamOptions<Answer> extends Pick<Config["stream"], "heartbeatMs" | "batchMs"> {
  readonly encoder: Encoder<Answer>;
}

/** A server-sent event (HTML standard, 9.2): an optional name and one line of data. */
export function sseEvent(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}

const utf8 = new TextEncoder();

/** A comment, which readers of server-sent events skip. */
const heartbeat = utf8.encode(": keep-alive\n\n");

/**
 * A streamed answer as server-sent events. A failure on the way becomes one last event, after which the
 * body ends abnormally. An answer that is held back until
 * it is complete is waited for during one heartbeat interval; then the headers go out without it, so that the caller sees
 * signs of life.
 */
export async function eventStreamResponse<Answer>(
  c: Context<Walk>,
  { call, answer, leave }: StartedCall<Answer>,
  { encoder, heartbeatMs, batchMs }: EventStreamOptions<Answer>,
): Promise<Response> {
  const record = c.get("record");
  const isHeldBack = call.delivery === "atomic" && heartbeatMs > 0;
  const isLate = isHeldBack && !(await settlesWithin(answer, heartbeatMs));
  if (!isLate) await answer;
  const body = streamedBody({
    pieces: eventsOf(answer, encoder, (error) => noteError(record, error)),
    join: (events) => utf8.encode(events.join("")),
    record,
    onLeave: leave,
    endsMs: call.memory.endsMs,
    batchMs,
    heartbeat: heartbeatMs > 0 ? { bytes: heartbeat, afterMs: heartbeatMs, isDue: isLate } : undefined,
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "x-accel-buffering": "no",
      ...answerHeaders(record, Date.now()),
    },
  });
}

/** The events of an answer, a batch at a time. Never throws: what goes wrong is told in the last event. */
function eventsOf<Answer>(
  answer: Promise<Answer>,
  encoder: Encoder<Answer>,
  onError: (error: GatewayError) => void,
): Pieces<string> {
  let stream: GenerationStream | undefined;
  /** What has come and not been written yet, because there was too much of it for one write. */
  let rest: Iterator<GenerationChunk, undefined> | undefined;
  return {
    async next() {
      try {
        if (!rest) {
          stream ??= encoder.begin(await answer);
          const batch = await stream.read();
          if (!batch) return { done: true, value: encoder.end() };
          rest = shortChunks(batch);
        }
        let events = "";
        for (let next = rest.next(); ; next = rest.next()) {
          if (next.done) {
            rest = undefined;
            break;
          }
          events += encoder.chunk(next.value);
          if (events.length >= maxWriteLength) break;
        }
        return { done: false, value: events };
      } catch (thrown) {
        const error = callerError(thrown);
        onError(error);
        return { done: true, value: encoder.error(error), isBroken: true };
      }
    },
  };
}
