import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { completionChunk, event } from "./upstreams/openai-answers.ts";

const path = "/v1/chat/completions";

/** A gateway whose providers stream these events. */
function streaming(events: readonly unknown[], settings: Record<string, unknown> = onlyOpenAi) {
  const network = new Hono().post("/v1/chat/completions", (c) =>
    c.body([...events, "[DONE]"].map(event).join(""), 200, { "content-type": "text/event-stream" }),
  );
  const { post } = testApp({ network, settings });
  return async (content: string, more: object = {}, headers: Record<string, string> = {}) =>
    await post(path, { messages: [{ role: "user", content }], stream: true, ...more }, headers);
}

const choice = (index: number, delta: object, finish_reason: string | null = null) =>
  completionChunk({}, null, { choices: [{ index, delta, finish_reason }] });

describe("what comes before a stream's first token", () => {
  const gap = ["{garbage", completionChunk({ content: "青" }), completionChunk({}, "stop")];

  it("keeps the answer from the cache where it cannot be understood, since it may have been text", async () => {
    const ask = streaming(gap);
    const answers = [await ask("gap"), await ask("gap")];
    expect(answers.map(({ headers }) => headers.get("x-cache"))).toEqual(["MISS", "MISS"]);
    expect(answers.every(({ text }) => text.includes('"content":"青"'))).toBe(true);
  });

  it("leads on to the next provider where it cannot be understood and the answer is held back", async () => {
    const entries = ["one", "two"].map((name) => ({ name, type: "openai", baseUrl: `https://${name}.test/v1` }));
    const ask = streaming(gap, { AI_PROVIDERS: JSON.stringify(entries) });
    const { headers } = await ask("gap held back", {}, { "x-qingyu-delivery": "atomic" });
    expect(headers.get("x-qingyu-attempts")).toBe("one:malformed, two:malformed");
  });

  it("ends a choice that has nothing to say", async () => {
    const ask = streaming([choice(1, {}, "stop"), choice(0, { content: "青" }), choice(0, {}, "stop")]);
    const streamed = await ask("silent choice", { n: 2 });
    expect(streamed.text).toMatch(/"index":1,"delta":.*"finish_reason":"stop".*"content":"青".*\[DONE\]\n\n$/s);
    const plain = await ask("silent choice", { n: 2, stream: false });
    expect([plain.headers.get("x-cache"), at(plain.json(), "choices", 1)]).toEqual([
      "HIT",
      expect.objectContaining({ index: 1, finish_reason: "stop" }),
    ]);
  });
});
