import { createParser } from "eventsource-parser";
import { bodyReader, readToEnd, textDecoder } from "../../body.ts";
import type { Call } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { maxAnswerBytes, maxStreamBytes, wireFault } from "./send.ts";

/** What may follow an answer that is complete: an event or two, and the body's end. */
const maxRestBytes = 64 * 1024;
const restLimitMs = 1_000;

/** The events of a response, or its messages, a read of the body at a time. */
export interface EventReader<Event> {
  /**
   * The events that have come since the last time, perhaps none, to be taken before the next time; undefined where the body
   * has ended, or where nothing came for `patienceMs`. Reading and taking throw `UpstreamFailure`.
   */
  read(patienceMs?: number): Promise<Iterable<Event> | undefined>;
  /** For who has seen enough. */
  leave(): void;
}

/**
 * The data of server-sent events. One that was not finished by the end is dropped, as the HTML standard says. Throws
 * `UpstreamFailure` (wire): `truncated`, `malformed`, or `oversized` where one event has more than `maxAnswerBytes` or the
 * stream more than four times that. What follows a leave is read behind the answer's back, so that the connection can be
 * used again.
 */
export function eventReader(response: Response, { waitUntil }: Pick<Call, "waitUntil">): EventReader<string> {
  let events: string[] = [];
  const parser = createParser({
    maxBufferSize: maxAnswerBytes,
    onEvent: (event) => events.push(event.data),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw UpstreamFailure.wire("oversized");
    },
  });
  const decode = textDecoder(wireFault);
  const body = bodyReader(response.body, {
    maxBytes: maxStreamBytes,
    fault: wireFault,
    convert(bytes) {
      const text = decode(bytes);
      if (text === undefined) return undefined;
      events = [];
      parser.feed(text);
      return events;
    },
  });
  return {
    read: body.read,
    leave: () => body.leave((reader) => waitUntil(readToEnd(reader, restLimitMs, maxRestBytes))),
  };
}
