import type { Context } from "hono";
import { isStream, streamOf } from "../collect.ts";
import type { GatewayError } from "../errors.ts";
import type { Answer, Generation, GenerationChunk, GenerationStream } from "../generation.ts";
import type { RequestRecord } from "../record.ts";
import { settlesWithin } from "../waiting.ts";
import { answerHeaders } from "./answer-headers.ts";
import type { StartedCall, Walk } from "./call.ts";
import { tellable } from "./error-response.ts";
import { type Encoder, eventStream, heartbeat } from "./event-stream.ts";

/** Writes down who answered and, as far as it is known yet, how. */
export function recordAnswer(record: RequestRecord, answer: Answer): void {
  record.provider = answer.provider;
  record.model = answer.model;
  if (isStream(answer)) {
    record.firstTokenMs = Date.now() - record.startedAtMs;
    return;
  }
  record.finishReason = answer.choices[0].finishReason;
  record.usage = answer.usage;
}

export function recordChunk(record: RequestRecord, chunk: GenerationChunk): void {
  record.finishReason = chunk.finishReason ?? record.finishReason;
  record.usage = chunk.usage ?? record.usage;
  record.model = chunk.model ?? record.model;
}

/** A whole answer as JSON, with the headers that tell how it came about. */
export function answerJson(c: Context<Walk>, answer: Generation, body: unknown): Response {
  const record = c.get("record");
  recordAnswer(record, answer);
  const text = JSON.stringify(body);
  record.responseBytes = utf8Bytes(text);
  return new Response(text, {
    headers: { "content-type": "application/json", ...answerHeaders(record, Date.now()) },
  });
}

export interface StreamOptions {
  readonly heartbeatMs: number;
  /** Writes the answer in the surface's own events. */
  readonly encoder: (stream: GenerationStream) => Encoder;
  /** The event that tells of a failure after the first token. */
  readonly errorEvent: (error: GatewayError) => string;
}

/**
 * A streamed answer as server-sent events; what has come together leaves together. A failure on the way becomes one last
 * event; nothing follows it. An answer that is held back until it is complete is waited for during one heartbeat interval;
 * then the headers go out without it, so that the caller sees signs of life.
 */
export async function answerEvents(
  c: Context<Walk>,
  pending: Promise<Answer>,
  { call, leave }: StartedCall,
  { heartbeatMs, encoder, errorEvent }: StreamOptions,
): Promise<Response> {
  const record = c.get("record");
  const begin = (answer: Answer): GenerationEvents => {
    recordAnswer(record, answer);
    const stream = streamOf(answer);
    return { read: stream.read, encoder: encoder(stream) };
  };
  const mayWait = call.delivery === "live" || heartbeatMs === 0 || (await settlesWithin(pending, heartbeatMs));
  let events = mayWait ? begin(await pending) : undefined;
  let hasWaited = mayWait;
  let isOver = false;

  /** The events of the next batch; undefined after the last one. */
  async function next(): Promise<string | undefined> {
    if (isOver) return undefined;
    if (!hasWaited) {
      hasWaited = true;
      return heartbeat;
    }
    try {
      events ??= begin(await pending);
      const batch = await events.read();
      isOver = batch === undefined;
      if (!batch) return events.encoder.end();
      let text = "";
      for (const chunk of batch) {
        recordChunk(record, chunk);
        text += events.encoder.chunk(chunk);
      }
      return text;
    } catch (error) {
      isOver = true;
      return errorEvent(tellable(error, record));
    }
  }
  const response = eventStream(next, { heartbeatMs, record, onLeave: leave });
  for (const [name, value] of Object.entries(answerHeaders(record, Date.now()))) response.headers.set(name, value);
  return response;
}

interface GenerationEvents {
  readonly read: GenerationStream["read"];
  readonly encoder: Encoder;
}

/** How many bytes a text has in UTF-8, without encoding it. */
function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // Two bytes from U+0080, three from U+0800; each half of a surrogate pair stands for two of its four.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}
