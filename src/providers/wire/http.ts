import { createParser } from "eventsource-parser";
import { announcedLength, type BodyFault, bytePieces, readText, readToEnd, textReader } from "../../body.ts";
import type { Call } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";

/** `fetch` as providers get it, so that tests and the gateway decide where it goes. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** No answer of a model comes near this; a larger one is refused before it is held in memory. */
export const maxAnswerBytes = 8 * 1024 * 1024;

/** A stream says each token in an event of a few hundred bytes. */
const maxStreamBytes = 4 * maxAnswerBytes;

/** What may follow an answer that is complete: an event or two, and the body's end. */
const maxRestBytes = 64 * 1024;
const restLimitMs = 1_000;

/**
 * Sends a request to a provider and follows no redirect, so that neither prompt nor key can be led elsewhere.
 * Throws `UpstreamFailure`: wire `unavailable` where no answer came, peer `redirected` for a 3xx.
 */
export async function send(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: "manual" });
  } catch (cause) {
    throw cause instanceof UpstreamFailure ? cause : UpstreamFailure.wire("unavailable", { cause });
  }
  if (response.status >= 300 && response.status < 400) throw UpstreamFailure.peer("redirected");
  return response;
}

/** What a provider is told of the request that it is asked for. */
export function callHeaders({ requestId, trace }: Call): Record<string, string> {
  return { "x-request-id": requestId, traceparent: trace.traceparent };
}

/** A response's body as text. Throws `UpstreamFailure` (wire): `oversized`, `truncated`, or `malformed` where it is not UTF-8. */
export function readAnswer(response: Response, maxBytes = maxAnswerBytes): Promise<string> {
  return readText(response, maxBytes, wireFault);
}

/** The same answer with a body that is not larger than `maxAnswerBytes`. Throws `UpstreamFailure` (wire) `oversized` or `truncated`. */
export async function bounded(response: Response): Promise<Response> {
  // The runtime holds a body to its announced length.
  const announcedBytes = announcedLength(response.headers);
  const isBounded = announcedBytes >= 0 && announcedBytes <= maxAnswerBytes;
  if (isBounded && !response.headers.has("content-encoding")) return response;
  if (announcedBytes > maxAnswerBytes) throw UpstreamFailure.wire("oversized");
  const pieces: Uint8Array[] = [];
  for await (const piece of bytePieces(response.body, maxAnswerBytes, wireFault)) pieces.push(piece);
  return new Response(new Blob(pieces), response);
}

/** The bytes of a streamed answer. Throws `UpstreamFailure` (wire) `oversized` or `truncated`. */
export function streamedBytes(response: Response): AsyncGenerator<Uint8Array> {
  return bytePieces(response.body, maxStreamBytes, wireFault);
}

/** The data of a response's server-sent events, a read of the body at a time. */
export interface EventReader {
  /**
   * The events that have come since the last time, perhaps none; undefined where the body has ended, or where nothing came
   * for `patienceMs`. An event that was not finished by the end is dropped, as the HTML standard says. Throws
   * `UpstreamFailure` (wire): `truncated`, `malformed`, or `oversized` where one event has more than `maxAnswerBytes` or the
   * stream more than four times that.
   */
  read(patienceMs?: number): Promise<readonly string[] | undefined>;
  /** For who has seen enough: what follows is read behind the answer's back, so that the connection can be used again. */
  leave(): void;
}

export function eventReader(response: Response, { waitUntil }: Pick<Call, "waitUntil">): EventReader {
  let events: string[] = [];
  const parser = createParser({
    maxBufferSize: maxAnswerBytes,
    onEvent: (event) => events.push(event.data),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw UpstreamFailure.wire("oversized");
    },
  });
  const body = textReader(response.body, maxStreamBytes, wireFault);
  return {
    async read(patienceMs) {
      const text = await body.read(patienceMs);
      if (text === undefined) return undefined;
      events = [];
      parser.feed(text);
      return events;
    },
    leave: () => body.leave((reader) => waitUntil(readToEnd(reader, restLimitMs, maxRestBytes))),
  };
}

const wireFault: BodyFault = (reason, cause) => UpstreamFailure.wire(reason, { cause });
