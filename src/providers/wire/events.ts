import { createParser } from "eventsource-parser";
import { bodyReader, readToEnd, textDecoder } from "../../body.ts";
import { parseJson } from "../../json.ts";
import { bytesPerUnit } from "../../memory-units.ts";
import type { Call } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { maxAnswerBytes, maxStreamBytes, requireNoCoding, uncountedBodyBytes, wireFault } from "./send.ts";

/** What may follow an answer that is complete: an event or two, and the body's end. */
const maxRestBytes = 64 * 1024;
const restLimitMs = 1_000;

/** More lines are not in an event, nor between two: the parser holds each for itself until the event has ended. */
const maxLines = 10_000;
/** Lines that mean nothing, of which it makes errors. */
const maxStrangeLines = 1_000;

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
 * The data of server-sent events. The last one may lack its blank line, as long as its JSON is whole: servers forget it. Throws
 * `UpstreamFailure` (wire): `truncated`, `malformed` (also for a compressed body), or `oversized` where one event has more than `maxAnswerBytes` or the
 * stream more than four times that. What follows a leave is read behind the answer's back, so that the connection can be
 * used again.
 */
export function eventReader(
  response: Response,
  { waitUntil, memory }: Pick<Call, "waitUntil" | "memory">,
): EventReader<string> {
  requireNoCoding(response);
  let events: string[] = [];
  let [lines, strangeLines] = [0, 0];
  const parser = createParser({
    maxBufferSize: maxAnswerBytes,
    onEvent: (event) => events.push(event.data),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw UpstreamFailure.wire("oversized");
      if (++strangeLines > maxStrangeLines) throw UpstreamFailure.wire("malformed");
    },
  });
  const decode = textDecoder(wireFault);
  /** At most so much is held of an event that has begun; what comments say is not. */
  let begunUnits = 0;
  let heldBytes = 0;
  const hold = (bytes: number) => {
    if (bytes !== heldBytes) memory.take(bytes - heldBytes);
    heldBytes = bytes;
  };
  const body = bodyReader(response.body, {
    maxBytes: maxStreamBytes,
    fault: wireFault,
    turn: memory.turn,
    convert(bytes) {
      const text = decode(bytes);
      events = [];
      if (text === undefined) {
        parser.feed("\n\n");
        return events.some(isWhole) ? events : undefined;
      }
      parser.feed(text);
      begunUnits = Math.min(maxAnswerBytes, text.length + (events.length > 0 ? 0 : begunUnits));
      hold(begunUnits > uncountedBodyBytes ? bytesPerUnit * begunUnits : 0);
      lines = events.length > 0 ? 0 : lines + lineEndsIn(text);
      if (lines > maxLines) throw UpstreamFailure.wire("malformed");
      return events;
    },
  });
  return {
    read: body.read,
    leave() {
      hold(0);
      body.leave((reader) => waitUntil(readToEnd(reader, restLimitMs, maxRestBytes)));
    },
  };
}

/** Whether the data of an event that lacks its end was not cut off. */
function isWhole(data: string): boolean {
  try {
    parseJson(data);
    return true;
  } catch {
    return data === "[DONE]";
  }
}

/** How many characters of a text can end a line. */
const lineEndsIn = (text: string) => timesIn(text, "\n") + timesIn(text, "\r");

function timesIn(text: string, character: string): number {
  let times = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) times++;
  return times;
}
