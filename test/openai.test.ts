import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { parsedEventsIn } from "./support/event-stream.ts";
import { completion } from "./upstreams/openai-answers.ts";

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "写一句诗" }];
const otherMessages = [{ role: "user", content: "写一句词" }];

describe("POST /v1/chat/completions", () => {
  it("answers as OpenAI does", async () => {
    const { network } = fakeOpenAi();
    const answer = await testApp({ network }).post(path, { messages }, { "x-request-id": "req-1" });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(answer.json()).toEqual({
      id: "chatcmpl-req-1",
      object: "chat.completion",
      created: expect.any(Number),
      model: "gpt-upstream",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "青羽", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
    });
  });

  it("streams as OpenAI does, with usage only where it is asked for", async () => {
    const { network } = fakeOpenAi();
    const app = testApp({ network });
    const chunk = (delta: object, finish_reason: string | null = null) => ({
      id: "chatcmpl-req-2",
      object: "chat.completion.chunk",
      created: expect.any(Number),
      model: "gpt-upstream",
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    });
    const chunks = [chunk({ role: "assistant", content: "青" }), chunk({ content: "羽" }), chunk({}, "stop")];

    const plain = await app.post(path, { messages: otherMessages, stream: true }, { "x-request-id": "req-2" });
    expect([plain.status, plain.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect(parsedEventsIn(plain.text)).toEqual([...chunks, "[DONE]"]);

    const counted = await app.post(
      path,
      { messages: otherMessages, stream: true, stream_options: { include_usage: true } },
      { "x-request-id": "req-2", "cache-control": "no-store" },
    );
    const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
    expect(parsedEventsIn(counted.text)).toEqual([
      ...chunks.map((each) => ({ ...each, usage: null })),
      { ...chunk({}), choices: [], usage },
      "[DONE]",
    ]);
  });

  it("sends what the gateway does not know, and the settings' values for what the caller left out", async () => {
    const { network, seen } = fakeOpenAi();
    const settings = {
      ...onlyOpenAi,
      QINGYU_AI_MAX_TOKENS: "300",
      QINGYU_AI_TEMPERATURE: "0.25",
      OPENAI_MODEL: "gpt-mine",
    };
    await testApp({ settings, network }).post(path, { messages, future_parameter: { deep: [1, null, "x"] }, n: 1 });
    expect(seen).toEqual([
      { model: "gpt-mine", messages, max_tokens: 300, temperature: 0.25, future_parameter: { deep: [1, null, "x"] } },
    ]);
  });

  it("carries tools, several choices and their answers both ways", async () => {
    const toolCall = { id: "call_1", type: "function", function: { name: "look_up", arguments: '{"name":"青羽"}' } };
    const network = new Hono().post("/v1/chat/completions", (c) =>
      c.json(
        completion("", {
          choices: [
            {
              index: 1,
              message: { role: "assistant", content: "b" },
              logprobs: { content: [] },
              finish_reason: "length",
            },
            {
              index: 0,
              message: { role: "assistant", content: null, tool_calls: [toolCall] },
              finish_reason: "tool_calls",
            },
          ],
        }),
      ),
    );
    const answer = await testApp({ network }).post(path, {
      messages,
      n: 2,
      tools: [{ type: "function", function: { name: "look_up", parameters: {} } }],
    });
    expect(answer.json()).toMatchObject({
      choices: [
        { index: 0, message: { content: null, tool_calls: [toolCall] }, finish_reason: "tool_calls" },
        { index: 1, message: { content: "b" }, logprobs: { content: [] }, finish_reason: "length" },
      ],
    });
  });

  it("puts a streamed tool call together for the cache and takes it apart again", async () => {
    const pieces = [
      { index: 0, id: "call_1", type: "function", function: { name: "look_up", arguments: "" } },
      { index: 0, function: { arguments: '{"name":' } },
      { index: 0, function: { arguments: '"青羽"}' } },
    ];
    const events = [
      ...pieces.map((piece) => ({ choices: [{ index: 0, delta: { tool_calls: [piece] }, finish_reason: null }] })),
      { choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] },
    ];
    const network = new Hono().post("/v1/chat/completions", (c) =>
      c.body(`${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`, 200, {
        "content-type": "text/event-stream",
      }),
    );
    const app = testApp({ network });
    const request = { messages: [{ role: "user", content: "tool" }], tools: [{ type: "function" }] };
    const streamed = await app.post(path, { ...request, stream: true });
    expect(streamed.text).toContain('"arguments":"{\\"name\\":"');

    const whole = { id: "call_1", type: "function", function: { name: "look_up", arguments: '{"name":"青羽"}' } };
    const plain = await app.post(path, request);
    expect(plain.headers.get("x-cache")).toBe("HIT");
    expect(plain.json()).toMatchObject({ choices: [{ message: { content: null, tool_calls: [whole] } }] });
    const replayed = await app.post(path, { ...request, stream: true });
    expect(parsedEventsIn(replayed.text)[0]).toMatchObject({
      choices: [{ delta: { tool_calls: [{ index: 0, ...whole }] } }],
    });
  });

  it.each([
    ["model", { model: 7 }, "model", "invalid_value"],
    ["no messages", { messages: undefined }, "messages", "missing_field"],
    ["empty messages", { messages: [] }, "messages", "invalid_value"],
    ["an unknown role", { messages: [{ role: "narrator", content: "x" }] }, "messages[0].role", "invalid_value"],
    ["no content", { messages: [{ role: "user" }] }, "messages[0].content", "missing_field"],
    ["a temperature out of range", { temperature: 2.5 }, "temperature", "invalid_value"],
    ["a fractional max_tokens", { max_tokens: 1.5 }, "max_tokens", "invalid_value"],
    ["max_tokens of 0", { max_tokens: 0 }, "max_tokens", "invalid_value"],
    ["max_tokens over the limit", { max_tokens: 131_073 }, "max_tokens", "invalid_value"],
    ["contradicting limits", { max_tokens: 5, max_completion_tokens: 6 }, "max_tokens", "invalid_value"],
    ["a seed beyond the safe integers", { seed: 1e300 }, "seed", "invalid_value"],
    ["a stream that is no boolean", { stream: "yes" }, "stream", "invalid_value"],
    ["half a surrogate pair", { messages: [{ role: "user", content: "\ud83d" }] }, null, "invalid_json"],
  ])("refuses %s with the field's name", async (_, fields, param, code) => {
    const { network, seen } = fakeOpenAi();
    const answer = await testApp({ network }).post(path, { messages, ...fields });
    expect(answer.status).toBe(400);
    expect(answer.json()).toEqual({
      error: {
        message: expect.any(String),
        type: "invalid_request_error",
        param,
        code,
        request_id: answer.headers.get("x-request-id"),
      },
    });
    expect(seen).toEqual([]);
  });

  it.each([
    [{ max_tokens: 0 }, "The field 'max_tokens' must be at least 1."],
    [{ temperature: -1 }, "The field 'temperature' must be at least 0."],
    [{ temperature: 3 }, "The field 'temperature' must be at most 2."],
  ])("says of %j what is allowed", async (fields, message) => {
    expect((await testApp().post(path, { messages, ...fields })).json()).toMatchObject({ error: { message } });
  });

  it.each([
    ["text/plain", "content-type"],
    ["application/x-www-form-urlencoded", "content-type"],
  ])("refuses the media type %s", async (type, param) => {
    const answer = await testApp().post(path, { messages }, { "content-type": type });
    expect([answer.status, answer.json()]).toMatchObject([415, { error: { code: "unsupported_media_type", param } }]);
  });

  it("refuses a body that is not UTF-8 and a nest that is too deep", async () => {
    const { send, post } = testApp();
    const latin1 = await send(path, {
      method: "POST",
      body: new Uint8Array([0x22, 0xe4, 0x22]),
      headers: { "content-type": "application/json" },
    });
    expect([latin1.status, latin1.json()]).toMatchObject([400, { error: { code: "invalid_json" } }]);
    const deep = await post(path, `{"messages":${"[".repeat(50_000)}${"]".repeat(50_000)}}`);
    expect([deep.status, deep.json()]).toMatchObject([400, { error: { code: "invalid_json" } }]);
  });

  it("counts a prompt in code points", async () => {
    const { network } = fakeOpenAi();
    const app = testApp({ network, settings: { ...onlyOpenAi, QINGYU_LIMITS_PROMPT_CHARS: "10" } });
    const ask = (content: string) => app.post(path, { messages: [{ role: "user", content }] });
    expect((await ask("🪶".repeat(10))).status).toBe(200);
    const over = await ask("🪶".repeat(11));
    expect([over.status, over.json()]).toMatchObject([
      413,
      { error: { code: "payload_too_large", param: "messages" } },
    ]);
  });

  it("carries a chapter of Chinese text and emoji byte for byte, also streamed", async () => {
    const chapter = "滚滚长江东逝水，浪花淘尽英雄。🪶👨‍👩‍👧‍👦\u0000\u2028\n".repeat(250);
    const { network, seen } = fakeOpenAi(
      [chapter.slice(0, 3001), chapter.slice(3001)].map((half) => half.toWellFormed()),
    );
    const app = testApp({ network });
    const conversation = [
      { role: "system", content: "你是小说家。" },
      { role: "user", content: chapter },
      { role: "assistant", content: "好的。" },
      { role: "user", content: "继续" },
    ];
    const plain = await app.post(path, { messages: conversation, temperature: 0.1 });
    expect(seen[0]?.messages).toEqual(conversation);
    const expected = seenText(plain.json());
    const streamed = await app.post(path, { messages: conversation, temperature: 0.2, stream: true });
    const text = parsedEventsIn(streamed.text)
      .map((event) => deltaText(event))
      .join("");
    expect(text).toBe(expected);
    expect(text.length).toBe(chapter.length);
  });
});

function seenText(body: unknown): string {
  const { choices } = body as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content ?? "";
}

function deltaText(event: unknown): string {
  if (event === "[DONE]") return "";
  const { choices } = event as { choices: { delta: { content?: string } }[] };
  return choices[0]?.delta.content ?? "";
}

describe("GET /v1/models", () => {
  it("lists the names that the settings spell out and takes every other", async () => {
    const app = testApp({ settings: { ...onlyOpenAi, OPENAI_MODEL: "gpt-mine" } });
    const list = await app.send("/v1/models");
    const mine = { id: "gpt-mine", object: "model", created: 0, owned_by: "qingyu-ai-gateway" };
    expect(list.json()).toEqual({ object: "list", data: [mine, { ...mine, id: "text-embedding-3-small" }] });
    expect((await app.send("/v1/models/gpt-mine")).json()).toEqual(mine);
    expect((await app.send("/v1/models/BAAI%2Fbge-large-zh-v1.5")).json()).toMatchObject({
      id: "BAAI/bge-large-zh-v1.5",
    });
  });

  it("knows only the configured models where there are some, as generation does", async () => {
    const { network } = fakeOpenAi();
    const settings = { ...onlyOpenAi, OPENAI_MODEL: "gpt-mine", QINGYU_AI_MODELS: "gpt-*,qwen-max" };
    const app = testApp({ settings, network });
    expect((await app.send("/v1/models")).json()).toMatchObject({
      data: [{ id: "gpt-mine" }, { id: "qwen-max" }],
    });
    for (const known of ["gpt-4o", "qwen-max"]) {
      expect((await app.send(`/v1/models/${known}`)).status).toBe(200);
      expect((await app.post(path, { model: known, messages })).status).toBe(200);
    }
    const unknown = { error: { code: "model_not_found", param: "model" } };
    const looked = await app.send("/v1/models/claude-x");
    expect([looked.status, looked.json()]).toMatchObject([404, unknown]);
    const asked = await app.post(path, { model: "claude-x", messages });
    expect([asked.status, asked.json()]).toMatchObject([404, unknown]);
  });
});
