import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { parsedEventsIn } from "./support/event-stream.ts";
import { at } from "./support/json.ts";
import { keepingLog } from "./support/log.ts";
import { requestTo, type surfaces } from "./support/surfaces.ts";
import { completion } from "./upstreams/openai-answers.ts";

/** Of an odd length, so that cuts at even places would fall within a character. 600 KB. */
const longText = `x${"🪶".repeat(150_000)}`;
/** 64 Ki UTF-16 units of such a text as UTF-8, and what stands around it. */
const pieceBytes = 140_000;

/** An app whose back end says this. */
function remembering(message: object, logprobs: unknown = null) {
  const choice = { index: 0, message: { role: "assistant", ...message }, logprobs, finish_reason: "stop" };
  const network = new Hono().post("*", (c) => c.json(completion("", { choices: [choice] })));
  return testApp({ network });
}

describe.each<{ surface: (typeof surfaces)[number]; stream: boolean }>([
  { surface: "openai", stream: false },
  { surface: "openai", stream: true },
  { surface: "qingyu", stream: false },
  { surface: "qingyu", stream: true },
  { surface: "connect", stream: true },
])("a long answer from the cache: $surface, stream $stream", ({ surface, stream }) => {
  it("is written as it is read", async () => {
    const app = remembering({ content: longText });
    const { path, init } = requestTo(surface, stream, crypto.randomUUID());
    await app.send(path, init);
    const answer = await app.fetch(`http://localhost${path}`, init);
    expect(answer.headers.get("x-cache")).toBe("HIT");
    expect(contentOf(surface, stream, new Uint8Array(await answer.arrayBuffer()))).toBe(longText);
    // Who stops reading has been written no more than he has read, and a piece.
    await keepingLog(async (log) => {
      const context = createExecutionContext();
      const { body } = await app.app.fetch(new Request(`http://localhost${path}`, init), env, context);
      const reader = body?.getReader();
      expect((await reader?.read())?.done).toBe(false);
      await reader?.cancel();
      await waitOnExecutionContext(context);
      expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ cache: "hit", error: "cancelled" });
      expect(JSON.parse(log.at(-1) ?? "").responseBytes).toBeLessThan(2 * pieceBytes);
    });
  });
});

function contentOf(surface: (typeof surfaces)[number], stream: boolean, bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  if (surface === "connect")
    return messagesIn(bytes)
      .map((message) => at(message, "delta") ?? "")
      .join("");
  if (!stream) {
    const answer: unknown = JSON.parse(text);
    return String(at(answer, "choices", 0, "message", "content") ?? at(answer, "data", "content"));
  }
  const said = parsedEventsIn(text).map((event) => at(event, "choices", 0, "delta", "content") ?? at(event, "delta"));
  return said.filter((piece) => typeof piece === "string").join("");
}

function messagesIn(bytes: Uint8Array): unknown[] {
  const view = new DataView(bytes.buffer);
  const messages: unknown[] = [];
  for (let start = 0; start < bytes.byteLength; start += 5 + view.getUint32(start + 1)) {
    const data = bytes.subarray(start + 5, start + 5 + view.getUint32(start + 1));
    messages.push(JSON.parse(new TextDecoder().decode(data)));
  }
  return messages;
}

describe("a long answer with more than text, as the official SDK puts it together", () => {
  const call = (id: string, text: string) => ({ id, type: "function", function: { name: id, arguments: text } });
  const token = (token: string) => ({ token, logprob: -1.5, bytes: [120], top_logprobs: [] });
  const cases = {
    "tool calls": [{ content: null, tool_calls: [call("a", longText), call("b", "{}"), call("c", longText)] }],
    "a refusal": [{ content: null, refusal: longText }],
    "token probabilities": [
      { content: "x".repeat(1_000) },
      { content: Array.from({ length: 1_000 }, () => token("x")), refusal: null },
    ],
  } as const;

  it.each(Object.entries(cases))("is the same plain and streamed: %s", async (_, [message, logprobs]) => {
    const app = remembering(message, logprobs);
    const client = new OpenAI({
      apiKey: "any",
      baseURL: "http://localhost/v1",
      maxRetries: 0,
      fetch: (url, init) => app.fetch(String(url), { ...init, signal: null }),
    });
    const asked = { model: "any", messages: [{ role: "user" as const, content: crypto.randomUUID() }], logprobs: true };
    const plain = await client.chat.completions.create(asked);
    const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
    expect(plain.choices[0]).toMatchObject({ message, logprobs: logprobs ?? null });
    expect(streamed.choices[0]?.message.tool_calls).toEqual(plain.choices[0]?.message.tool_calls);
    expect(streamed.choices[0]?.message.refusal).toEqual(plain.choices[0]?.message.refusal);
    expect(streamed.choices[0]?.logprobs?.content ?? null).toEqual(plain.choices[0]?.logprobs?.content ?? null);
  });
});
