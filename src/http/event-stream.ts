import type { Context } from "hono";
import type { Config } from "../config/config.ts";
import { callerError, type GatewayError } from "../errors.ts";
import type { GenerationChunk, GenerationStream } from "../generation.ts";
import type { Share } from "../in-flight.ts";
import { bytesOf, bytesPerUnit } from "../memory-units.ts";
import { shortChunks } from "../pieces.ts";
import { noteError } from "../record.ts";
import { turnFor } from "../turn.ts";
import { settlesWithin } from "../waiting.ts";
import { answerHeaders } from "./answer-headers.ts";
import type { StartedCall, Walk } from "./call.ts";
import { maxWriteLength, type Pieces, streamedBody } from "./streamed-body.ts";

/** Writes an answer as a surface's events. */
export interface Encoder<Answer> {
  /** Its last event says the whole text again, which has to be in memory until then. */
  readonly keepsText?: true;
  /** Takes the answer that is to be written, and gives it as a stream. */
  begin(answer: Answer): GenerationStream;
  /** The events of a chunk; empty where the surface has nothing to say of it. */
  chunk(chunk: GenerationChunk): string;
  /** The events that end an answer which is complete. */
  end(): string;
  /** The event that tells of a failure, before or after the answer has begun; nothing follows it. */
  error(error: GatewayError): string;
}

/** Writes an answer that comes as a whole as a surface's events. */
export interface WholeEncoder<Answer> extends Pick<Encoder<Answer>, "error"> {
  readonly begin?: undefined;
  /** All events of an answer; the last one says that it is complete. */
  events(answer: Answer): string;
}

export interface EventStreamOptions<Answer> extends Pick<Config["stream"], "heartbeatMs" | "batchMs"> {
  readonly encoder: Encoder<Answer> | WholeEncoder<Answer>;
}

/** Whether a caller asks for server-sent events. */
export function acceptsEvents(headers: Headers): boolean {
  const ranges = (headers.get("accept") ?? "").split(",");
  return ranges.some((range) => range.split(";", 1)[0]?.trim().toLowerCase() === "text/event-stream");
}

/** A server-sent event (HTML standard, 9.2): an optional name and one line of data. */
export function sseEvent(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}

const utf8 = new TextEncoder();

/** A comment, which readers of server-sent events skip. */
const heartbeat = utf8.encode(": keep-alive\n\n");

/**
 * An answer as server-sent events. A failure on the way becomes one last event, after which the body ends abnormally. One
 * that comes as a whole, or is held back until it is complete, is waited for during one heartbeat interval; then the headers
 * go out without it, so that the caller sees signs of life.
 */
export async function eventStreamResponse<Answer>(
  c: Context<Walk>,
  { call, answer, leave }: StartedCall<Answer>,
  { encoder, heartbeatMs, batchMs }: EventStreamOptions<Answer>,
): Promise<Response> {
  const record = c.get("record");
  const isHeldBack = (!encoder.begin || call.delivery === "atomic") && heartbeatMs > 0;
  const isLate = isHeldBack && !(await settlesWithin(answer, heartbeatMs));
  if (!isLate) await answer;
  const next = encoder.begin ? chunkEvents(answer, encoder, call.memory) : wholeEvents(answer, encoder, call.memory);
  const body = streamedBody({
    pieces: endingInEvents(next, (error) => {
      noteError(record, error);
      return encoder.error(error);
    }),
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

type NextEvents = Pieces<string>["next"];

/** The same events; what goes wrong is told in the last one, so nothing is ever thrown. */
function endingInEvents(next: NextEvents, eventOf: (error: GatewayError) => string): Pieces<string> {
  return {
    next: () =>
      next().catch((thrown: unknown) => ({ done: true, value: eventOf(callerError(thrown)), isBroken: true })),
  };
}

/** The events of an answer that comes as a whole. They leave in one write, since no heartbeat may come within one. */
function wholeEvents<Answer>(answer: Promise<Answer>, encoder: WholeEncoder<Answer>, memory: Share): NextEvents {
  return async () => {
    const events = encoder.events(await answer);
    if (events.length > maxWriteLength) memory.take(bytesOf(events));
    return { done: true, value: events };
  };
}

/** What a text takes at most that is said again: as it has come, put together, and written as JSON, as an event and as bytes. */
const bytesPerKeptUnit = 5 * bytesPerUnit;

/** The events of a stream, a batch at a time. */
function chunkEvents<Answer>(answer: Promise<Answer>, encoder: Encoder<Answer>, memory: Share): NextEvents {
  let stream: GenerationStream | undefined;
  /** What has come and not been written yet, because there was too much of it for one write. */
  let rest: Iterator<GenerationChunk, undefined> | undefined;
  let keptUnits = 0;
  return async () => {
    if (!rest) {
      stream ??= encoder.begin(await answer);
      const batch = await stream.read();
      if (!batch) {
        await turnFor(bytesPerUnit * keptUnits, memory.turn);
        return { done: true, value: encoder.end() };
      }
      if (encoder.keepsText) {
        const units = batch.reduce((sum, { delta }) => sum + delta.length, 0);
        memory.take(bytesPerKeptUnit * units);
        keptUnits += units;
      }
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
  };
}
