/**
 * The data of the events in a whole stream, read line by line as the HTML standard says
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation). Of no library, so that it
 * can judge one. The text is decoded already, which takes a byte order mark away.
 */
export function eventsIn(text: string): string[] {
  const events: string[] = [];
  let data = "";
  // What follows the last line end is no line, and what follows the last blank line is no event.
  for (const line of text.split(/\r\n|\n|\r/).slice(0, -1)) {
    if (line === "") {
      if (data !== "") events.push(data.slice(0, -1));
      data = "";
      continue;
    }
    const [field = "", ...rest] = line.split(":");
    if (field === "data") data += `${rest.join(":").replace(/^ /, "")}\n`;
  }
  return events;
}

/** The same, parsed; all but OpenAI's last word is JSON. */
export function parsedEventsIn(text: string): unknown[] {
  return eventsIn(text).map((data) => (data === "[DONE]" ? data : JSON.parse(data)));
}
