import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { parsedEventsIn } from "./support/event-stream.ts";
import { completion, completionChunk, event } from "./upstreams/openai-answers.ts";

const path = "/v1/completions";
const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

describe("a text that is asked for in OpenAI's older form", () => {
  it.each([
    [{ prompt: "夜雨一" }, { messages: [{ role: "user", content: "夜雨一" }] }],
    [
      { model: "", prompt: ["夜雨二"], max_tokens: 9, stop: [], best_of: 1, echo: false, suffix: "", logprobs: null },
      { messages: [{ role: "user", content: "夜雨二" }], max_tokens: 9 },
    ],
    [
      {
        ...{ model: "gpt-x", prompt: "夜雨三", temperature: 0, top_p: 0, stop: "完", seed: 0, user: "u", n: 1 },
        ...{ presence_penalty: 1, frequency_penalty: 0, logit_bias: { 1: 2 }, strange: { a: 1 } },
      },
      {
        ...{ model: "gpt-x", messages: [{ role: "user", content: "夜雨三" }], temperature: 0, top_p: 0, stop: ["完"] },
        ...{ seed: 0, user: "u", presence_penalty: 1, frequency_penalty: 0, logit_bias: { 1: 2 }, strange: { a: 1 } },
      },
    ],
  ])("is asked of providers as a user's message: %j", async (body, asked) => {
    const { network, seen } = fakeOpenAi();
    const answer = await testApp({ network }).post(path, body, { "x-request-id": "r-1" });
    expect([answer.status, answer.json()]).toEqual([
      200,
      {
        ...{ id: "cmpl-r-1", object: "text_completion", created: expect.any(Number), model: "gpt-upstream", usage },
        choices: [{ text: "青羽", index: 0, logprobs: null, finish_reason: "stop" }],
      },
    ]);
    expect(seen).toEqual([{ model: expect.any(String), ...asked }]);
  });

  it.each([
    [{}, "prompt", "missing_field"],
    [{ prompt: "" }, "prompt", "invalid_value"],
    [{ prompt: [""] }, "prompt[0]", "invalid_value"],
    [{ prompt: [1, 2] }, "prompt", "invalid_value"],
    [{ prompt: [[1, 2]] }, "prompt", "invalid_value"],
    [{ prompt: ["a", "b"] }, "prompt", "invalid_value"],
    [{ prompt: 1 }, "prompt", "invalid_value"],
    [{ prompt: "x", max_tokens: 131_073 }, "max_tokens", "invalid_value"],
    [{ prompt: "x", echo: true }, "echo", "unsupported_parameter"],
    [{ prompt: "x", best_of: 2 }, "best_of", "unsupported_parameter"],
    [{ prompt: "x", logprobs: 0 }, "logprobs", "unsupported_parameter"],
    [{ prompt: "x", suffix: "y" }, "suffix", "unsupported_parameter"],
    [{ prompt: "x", messages: [] }, "messages", "unsupported_parameter"],
    [{ prompt: "x", api_base: "https://evil.test" }, "api_base", "unsupported_parameter"],
  ])("is refused where it cannot be: %j", async (body, param, code) => {
    const answer = await testApp().post(path, body);
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { param, code } }]);
  });

  it("has as many answers as are asked for", async () => {
    const choices = ["一", "二"].map((content, index) => ({ ...completion(content).choices[0], index }));
    const network = new Hono().post("/v1/chat/completions", (c) => c.json(completion("", { choices })));
    const answer = await testApp({ network }).post(path, { prompt: "several", n: 2 });
    expect(answer.json()).toMatchObject({
      choices: [
        { text: "一", index: 0 },
        { text: "二", index: 1 },
      ],
    });
  });
});

describe("a text that comes piece by piece", () => {
  const head = { id: "cmpl-r-2", object: "text_completion", created: expect.any(Number), model: "gpt-upstream" };
  const piece = (text: string) => ({ index: 0, text, delta: { content: text }, logprobs: null, finish_reason: null });
  const last = { index: 0, text: "", delta: {}, logprobs: null, finish_reason: "stop" };

  it.each([
    [{}, {}, []],
    [{ stream_options: { include_usage: true } }, { usage: null }, [{ ...head, choices: [], usage }]],
  ])("is there under both names, and its usage where it ends: %j", async (options, more, tail) => {
    const { network } = fakeOpenAi();
    const body = { prompt: `stream ${JSON.stringify(options)}`, stream: true, ...options };
    const answer = await testApp({ network }).post(path, body, { "x-request-id": "r-2" });
    expect([answer.isBroken, ...parsedEventsIn(answer.text)]).toEqual([
      false,
      { ...head, choices: [piece("青")], ...more },
      { ...head, choices: [piece("羽")], ...more },
      { ...head, choices: [last], usage },
      ...tail,
      "[DONE]",
    ]);
  });

  it("says that it has failed, and ends abnormally", async () => {
    const network = new Hono().post("/v1/chat/completions", (c) =>
      c.body(event(completionChunk({ content: "青" })), 200, { "content-type": "text/event-stream" }),
    );
    const answer = await testApp({ network }).post(path, { prompt: "fails", stream: true });
    const [first, failed, ...more] = parsedEventsIn(answer.text);
    expect([answer.isBroken, more]).toEqual([true, []]);
    expect(first).toMatchObject({ choices: [piece("青")] });
    expect(failed).toMatchObject({ error: { type: "server_error", code: expect.any(String) } });
  });

  it("has no line that is too long for a reader of 64 KB", async () => {
    const { network } = fakeOpenAi(["𠀀".repeat(40_000), '"'.repeat(40_000)]);
    const answer = await testApp({ network }).post(path, { prompt: "long lines", stream: true });
    const bytes = answer.text.split("\n").map((line) => new TextEncoder().encode(line).byteLength);
    expect(Math.max(...bytes)).toBeLessThan(64 * 1024);
  });
});

it("is forgotten where its request is", async () => {
  const { network } = fakeOpenAi();
  const app = testApp({ network });
  const body = { prompt: "forget this completion" };
  const cacheOf = async () => (await app.post(path, body)).headers.get("x-cache");
  expect([await cacheOf(), await cacheOf()]).toEqual(["MISS", "HIT"]);
  expect((await app.post("/api/v1/ai/cache/purge", body)).status).toBe(200);
  expect(await cacheOf()).toBe("MISS");
});
