/**
 * The least that a gateway of our kind can be: a Hono route, the caller's key remembered, both bodies parsed and written,
 * one time limit, one log line. A stream is read, parsed and written a read at a time. Nothing is validated, nobody is
 * asked twice, and who leaves early is not noticed.
 */
import { Hono } from "hono";

const path = "/v1/chat/completions";
const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
const app = new Hono();
let knownKey;

app.get("/", (c) => c.text("ready"));

app.post(path, async (c) => {
  const key = c.req.header("authorization");
  if (key !== knownKey) {
    await crypto.subtle.digest("SHA-256", encoder.encode(key));
    knownKey = key;
  }
  const request = JSON.parse(decoder.decode(await c.req.raw.arrayBuffer()));
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), 60_000);
  const response = await fetch(c.env.UPSTREAM + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    signal: limit.signal,
  });
  const end = (model) => {
    clearTimeout(timer);
    console.log(JSON.stringify({ message: "request", model }));
  };
  if (request.stream)
    return new Response(eventStream(response.body, end), { headers: { "content-type": "text/event-stream" } });
  const answer = JSON.parse(decoder.decode(await response.arrayBuffer()));
  end(answer.model);
  return new Response(JSON.stringify(answer), { headers: { "content-type": "application/json" } });
});

function eventStream(body, end) {
  const reader = body.getReader();
  const pieces = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let model;
  return new ReadableStream({
    async pull(controller) {
      let text = "";
      while (text === "") {
        const { done, value } = await reader.read();
        if (done) {
          end(model);
          controller.close();
          return;
        }
        const events = (rest + pieces.decode(value, { stream: true })).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const data = event.slice("data: ".length);
          const chunk = data === "[DONE]" ? undefined : JSON.parse(data);
          model ??= chunk?.model;
          text += `data: ${chunk ? JSON.stringify(chunk) : data}\n\n`;
        }
      }
      controller.enqueue(encoder.encode(text));
    },
  });
}

export default app;
