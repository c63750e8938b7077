import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { testApp } from "./support/app.ts";

const path = "/v1/chat/completions";
const settings = {
  AI_PROVIDERS: "anthropic",
  ANTHROPIC_API_KEY: "sk-ant",
  ANTHROPIC_BASE_URL: "https://anthropic.test",
  ANTHROPIC_MODEL: "claude-default",
  QINGYU_CACHE_ENABLED: "false",
};
const messages = [{ role: "user", content: "写一句诗" }];

/** Anthropic as a Hono app, with one answer for everything. */
function anthropic(answer: () => Response) {
  const seen: { headers: Headers; body: unknown }[] = [];
  const network = new Hono().post("/v1/messages", async (c) => {
    seen.push({ headers: c.req.raw.headers, body: await c.req.json() });
    return answer();
  });
  return { app: testApp({ settings, network }), seen };
}

const message = (more: object = {}) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-real",
  content: [{ type: "text", text: "青羽" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, cache_read_input_tokens: 2, cache_creation_input_tokens: 0, output_tokens: 5 },
  ...more,
});

const events = (stopReason: string | null, isWhole = true) =>
  [
    {
      type: "message_start",
      message: { ...message({ content: [], stop_reason: null }), usage: { input_tokens: 12, output_tokens: 1 } },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "ping" },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "青" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "羽🪶" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: stopReason, stop_sequence: null }, usage: { output_tokens: 5 } },
    ...(isWhole ? [{ type: "message_stop" }] : []),
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join("");

/** A body that comes in pieces of one byte. */
function byteByByte(text: string): Response {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at === bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, ++at));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

describe("Anthropic", () => {
  it("is asked in its own words", async () => {
    const { app, seen } = anthropic(() => Response.json(message()));
    await app.post(path, {
      model: "gpt-4o",
      messages: [
        { role: "system", content: "一" },
        { role: "developer", content: "二" },
        { role: "user", content: "三" },
        { role: "user", content: [{ type: "text", text: "四" }] },
        { role: "assistant", content: "五" },
        { role: "user", content: "六" },
      ],
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      stop: "完",
      user: "u1",
    });
    expect(seen[0]?.body).toEqual({
      model: "claude-default",
      system: "一\n\n二",
      messages: [
        { role: "user", content: "三\n\n四" },
        { role: "assistant", content: "五" },
        { role: "user", content: "六" },
      ],
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      stop_sequences: ["完"],
      metadata: { user_id: "u1" },
    });
    expect([seen[0]?.headers.get("x-api-key"), seen[0]?.headers.get("anthropic-version")]).toEqual([
      "sk-ant",
      "2023-06-01",
    ]);
  });

  it("takes its own models as they are", async () => {
    const { app, seen } = anthropic(() => Response.json(message()));
    await app.post(path, { model: "claude-mine", messages });
    expect(seen[0]?.body).toMatchObject({ model: "claude-mine", max_tokens: 2000, temperature: 0.7 });
  });

  it("answers plain", async () => {
    const { app } = anthropic(() => Response.json(message()));
    expect((await app.post(path, { messages })).json()).toMatchObject({
      model: "claude-real",
      choices: [{ message: { content: "青羽" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 },
    });
  });

  it("streams, in whatever pieces it comes", async () => {
    const { app } = anthropic(() => byteByByte(events("max_tokens")));
    const { text } = await app.post(path, { messages, stream: true, stream_options: { include_usage: true } });
    expect(text).toContain('"content":"羽🪶"');
    expect(text).toContain('"finish_reason":"length"');
    expect(text).toContain('"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}');
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it.each([
    ["is cut off", () => byteByByte(events("end_turn", false)), "upstream_bad_response"],
    ["stops for no reason", () => byteByByte(events(null)), "upstream_bad_response"],
    ["pauses", () => byteByByte(events("pause_turn")), "upstream_bad_response"],
    [
      "fails on the way",
      () =>
        byteByByte(
          `${events("end_turn", false)}event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n`,
        ),
      "upstream_unavailable",
    ],
  ])("does not look complete where its stream %s", async (_, answer, code) => {
    const { text } = await anthropic(answer).app.post(path, { messages, stream: true });
    expect(text).toContain(`"code":"${code}"`);
    expect(text).not.toContain("[DONE]");
  });

  it.each([
    [400, "invalid_request_error", "x", 400, "invalid_request"],
    [400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", 400, "context_length_exceeded"],
    [400, "invalid_request_error", "Your credit balance is too low", 502, "upstream_auth"],
    [401, "authentication_error", "x", 502, "upstream_auth"],
    [403, "permission_error", "x", 502, "upstream_auth"],
    [404, "not_found_error", "x", 404, "model_not_found"],
    [413, "request_too_large", "x", 400, "context_length_exceeded"],
    [429, "rate_limit_error", "x", 429, "rate_limited"],
    [500, "api_error", "x", 503, "upstream_unavailable"],
    [529, "overloaded_error", "x", 503, "upstream_unavailable"],
  ])("%i %s (%s) is told as %i %s", async (status, type, words, told, code) => {
    const { app } = anthropic(() => Response.json({ type: "error", error: { type, message: words } }, { status }));
    const answer = await app.post(path, { messages });
    expect([answer.status, answer.json()]).toMatchObject([told, { error: { code } }]);
  });

  it.each([
    ["no content", message({ content: [] })],
    ["no stop reason", message({ stop_reason: null })],
    ["another form", { completion: "x" }],
  ])("counts an answer with %s as a failure", async (_, body) => {
    const { app } = anthropic(() => Response.json(body));
    expect((await app.post(path, { messages })).status).toBe(502);
  });

  it.each([
    ["seed", { seed: 1 }],
    ["presence_penalty", { presence_penalty: 1 }],
    ["frequency_penalty", { frequency_penalty: 1 }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["temperature", { temperature: 1.5 }],
    ["stop", { stop: [" "] }],
    ["tools", { tools: [{}] }],
    ["messages", { messages: [...messages, { role: "assistant", content: "a prefill" }] }],
    ["messages.name", { messages: [{ role: "user", content: "x", name: "n" }] }],
    ["messages.role", { messages: [{ role: "tool", content: "x" }, ...messages] }],
    ["messages.content", { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }],
  ])("is not asked for what it cannot carry: %s", async (param, more) => {
    const { app, seen } = anthropic(() => Response.json(message()));
    const answer = await app.post(path, { messages, ...more });
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { code: "unsupported_parameter", param } }]);
    expect(seen).toEqual([]);
  });
});
