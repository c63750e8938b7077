import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { ownId } from "./support/ids.ts";
import { completion } from "./upstreams/openai-answers.ts";

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "Hello, Claude" }];
/** Takes a temperature or a top_p; newer models take neither. */
const older = "claude-sonnet-4-6";
const newer = "claude-opus-5";

interface Seen {
  readonly headers: Headers;
  readonly body: unknown;
}

/** The gateway before Anthropic, and before OpenAI where Anthropic's failure leads there. Anthropic has one answer for everything. */
function gateway(answer: () => Response, { providers = "anthropic", ...more }: Record<string, string> = {}) {
  const seen: Seen[] = [];
  const network = new Hono()
    .post("/v1/messages", async (c) => {
      seen.push({ headers: c.req.raw.headers, body: await c.req.json() });
      return answer();
    })
    .post("/v1/chat/completions", (c) => c.json(completion("from OpenAI")));
  const settings = {
    AI_PROVIDERS: providers,
    ANTHROPIC_API_KEY: "sk-ant-upstream",
    ANTHROPIC_BASE_URL: "https://anthropic.test",
    ANTHROPIC_MODEL: older,
    OPENAI_API_KEY: "sk-upstream",
    OPENAI_BASE_URL: "https://openai.test/v1",
    QINGYU_CACHE_ENABLED: "false",
    ...more,
  };
  return { app: testApp({ settings, network }), seen };
}

/** As in https://docs.anthropic.com/en/api/messages. */
const message = (more: object = {}) => ({
  id: "msg_013Zva2CMHLNnXjNJJKqJ2EF",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-6-upstream",
  content: [{ type: "text", text: "Hi! My name is Claude." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  stop_details: null,
  container: null,
  usage: {
    input_tokens: 2095,
    cache_creation_input_tokens: 40,
    cache_read_input_tokens: 5,
    cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 0 },
    output_tokens: 503,
    service_tier: "standard",
  },
  ...more,
});
const usage = {
  prompt_tokens: 2140,
  completion_tokens: 503,
  total_tokens: 2643,
  prompt_tokens_details: { cached_tokens: 5 },
};

type Event = { readonly type: string } & Record<string, unknown>;
const startUsage = {
  input_tokens: 25,
  cache_creation_input_tokens: null,
  cache_read_input_tokens: 5,
  output_tokens: 1,
};
const start: Event = {
  type: "message_start",
  message: message({ content: [], stop_reason: null, usage: startUsage }),
};
const text = (words: string): Event => ({
  type: "content_block_delta",
  index: 1,
  delta: { type: "text_delta", text: words },
});
const end = (stopReason: string | null, counts: object = { output_tokens: 15 }): Event => ({
  type: "message_delta",
  delta: { stop_reason: stopReason, stop_sequence: null },
  usage: counts,
});
const stop: Event = { type: "message_stop" };

/** As in https://docs.anthropic.com/en/api/messages-streaming, with thinking before the text. */
const stream = (...ending: readonly Event[]): Event[] => [
  start,
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
  { type: "ping" },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "a secret thought" } },
  { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "EqQBCgIYAhIM" } },
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
  text("青"),
  { type: "an_event_of_the_future", delta: { type: "text_delta", text: "not this" } },
  text("羽🪶"),
  { type: "content_block_stop", index: 1 },
  ...ending,
];
const encode = (events: readonly Event[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
const failure = (type: string, words = "x") => ({
  type: "error",
  error: { details: null, type, message: words },
  request_id: "req_011CSHoEeqs5C35K2UUqR7Fy",
});

const inStream = { headers: { "content-type": "text/event-stream; charset=utf-8" } };
const streamed = (body: string) => new Response(body, inStream);

/** A body that comes in pieces of one byte. */
function byteByByte(body: string): Response {
  const bytes = new TextEncoder().encode(body);
  let at = 0;
  const pieces = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at === bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, ++at));
    },
  });
  return new Response(pieces, inStream);
}

/** The text of a streamed completion, put together again. */
const contentOf = (body: string) => [...body.matchAll(/"content":"([^"]*)"/g)].map(([, content]) => content).join("");

describe("a request to Anthropic", () => {
  it("is said in its words", async () => {
    const { app, seen } = gateway(() => Response.json(message()));
    await app.post(
      path,
      {
        model: "gpt-4o",
        messages: [
          { role: "system", content: "一" },
          { role: "user", content: "二" },
          { role: "developer", content: "三" },
          { role: "system", content: " " },
          { role: "user", content: [{ type: "text", text: "四" }] },
          { role: "assistant", content: "五" },
          { role: "user", content: "六" },
        ],
        max_tokens: 9,
        temperature: 0.5,
        top_p: 1,
        presence_penalty: 0,
        stop: ["完", "\n终"],
        user: "u1",
      },
      { "x-request-id": "request-1" },
    );
    expect(seen.map(({ body }) => body)).toEqual([
      {
        model: older,
        system: "一\n\n三",
        messages: [
          { role: "user", content: "二\n\n四" },
          { role: "assistant", content: "五" },
          { role: "user", content: "六" },
        ],
        max_tokens: 9,
        temperature: 0.5,
        stop_sequences: ["完", "\n终"],
        metadata: { user_id: "u1" },
      },
    ]);
    expect(Object.fromEntries(seen[0]?.headers ?? [])).toMatchObject({
      "content-type": "application/json",
      "x-api-key": "sk-ant-upstream",
      "anthropic-version": "2023-06-01",
      "x-request-id": ownId,
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-\d\d$/),
    });
    expect(seen[0]?.headers.get("authorization")).toBeNull();
  });

  it("says no more than it must, and that it is to be streamed", async () => {
    const { app, seen } = gateway(() => streamed(encode(stream(end("end_turn"), stop))));
    await app.post(path, { messages, stream: true });
    expect(seen[0]?.body).toEqual({ model: older, messages, max_tokens: 128_000, stream: true });
  });

  it.each<[string, string, object, object]>([
    ["the default temperature", older, {}, { temperature: 0.7 }],
    ["a temperature of the caller", older, { temperature: 0 }, { temperature: 0 }],
    ["a top_p instead of the default temperature", older, { top_p: 0.9 }, { top_p: 0.9 }],
    ["a top_p beside what is no temperature", older, { temperature: 1, top_p: 0.9 }, { top_p: 0.9 }],
    [
      "a temperature beside what is no top_p",
      "claude-3-haiku-20240307",
      { temperature: 1, top_p: 1 },
      { temperature: 1 },
    ],
    ["the default temperature", "claude-opus-4-20250514", {}, { temperature: 0.7 }],
    ["the default temperature", "claude-opus-4-6", {}, { temperature: 0.7 }],
    ["the default temperature", "claude-haiku-4-5-20251001", {}, { temperature: 0.7 }],
    ["no sampling", newer, {}, {}],
    ["no sampling", newer, { temperature: 1, top_p: 1 }, {}],
    ["no sampling", "claude-opus-4-7", {}, {}],
    ["no sampling", "claude-opus-4-10", {}, {}],
    ["no sampling", "claude-sonnet-5-5", {}, {}],
    ["no sampling", "claude-haiku-5-5", {}, {}],
    ["no sampling", "claude-fable-5", {}, {}],
  ])("carries %s to %s", async (_, model, asked, sampling) => {
    const { app, seen } = gateway(() => Response.json(message()), {
      QINGYU_AI_MAX_TOKENS: "2000",
      QINGYU_AI_TEMPERATURE: "0.7",
    });
    await app.post(path, { model, messages, ...asked });
    expect(seen[0]?.body).toEqual({ model, messages, max_tokens: 2000, ...sampling });
  });

  it("carries a default temperature of OpenAI's range as its own highest", async () => {
    const { app, seen } = gateway(() => Response.json(message()), { QINGYU_AI_TEMPERATURE: "1.5" });
    await app.post(path, { messages });
    expect(seen[0]?.body).toMatchObject({ temperature: 1 });
  });

  const image = [{ type: "image_url", image_url: { url: "https://x.test" } }];
  const call = { role: "assistant", content: null, tool_calls: [{ id: "c1" }] };
  const answered = { role: "tool", content: "x", tool_call_id: "c1" };
  it.each<[string, object]>([
    ["seed", { seed: 1 }],
    ["presence_penalty", { presence_penalty: 1 }],
    ["frequency_penalty", { frequency_penalty: -1 }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["response_format", { response_format: { type: "json_schema", json_schema: {} } }],
    ["temperature", { temperature: 1.5 }],
    ["temperature", { model: newer, temperature: 0.7 }],
    ["temperature", { model: newer, temperature: 0 }],
    ["top_p", { temperature: 0.7, top_p: 0.9 }],
    ["top_p", { model: newer, top_p: 0.9 }],
    ["stop", { stop: ["ok", "\n"] }],
    ["n", { n: 2 }],
    ["tools", { tools: [{}] }],
    ["logit_bias", { logit_bias: { 1: 1 } }],
    ["messages", { messages: [...messages, { role: "assistant", content: "I will go on with" }] }],
    ["messages", { messages: [{ role: "assistant", content: "Welcome" }, ...messages] }],
    ["messages", { messages: [{ role: "system", content: "alone" }] }],
    ["messages.name", { messages: [{ role: "user", content: "x", name: "n" }] }],
    ["messages.tool_calls", { messages: [...messages, call, answered] }],
    ["messages.role", { messages: [{ role: "tool", content: "x" }, ...messages] }],
    ["messages.content", { messages: [{ role: "user", content: image }] }],
    ["messages.content", { messages: [{ role: "user", content: " \n" }, ...messages] }],
  ])("is not made where it would lose %s", async (param, more) => {
    const { app, seen } = gateway(() => Response.json(message()));
    const answer = await app.post(path, { messages, ...more });
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { code: "unsupported_parameter", param } }]);
    expect(seen).toEqual([]);
  });

  it("goes to whoever can carry it", async () => {
    const { app, seen } = gateway(() => Response.json(message()), { providers: "anthropic,openai" });
    const answer = await app.post(path, { messages, seed: 1 });
    expect([answer.status, answer.headers.get("x-qingyu-attempts")]).toEqual([200, "openai:ok"]);
    expect(seen).toEqual([]);
  });
});

describe("an answer of Anthropic's", () => {
  it("is told as a completion", async () => {
    const answer = await gateway(() => Response.json(message())).app.post(path, { messages });
    expect(answer.json()).toMatchObject({
      model: "claude-sonnet-4-6-upstream",
      choices: [{ message: { role: "assistant", content: "Hi! My name is Claude." }, finish_reason: "stop" }],
      usage,
    });
    expect(answer.headers.get("x-qingyu-provider")).toBe("anthropic");
  });

  it.each<[string, object, object]>([
    ["stop_sequence", { stop_reason: "stop_sequence", stop_sequence: "完" }, { finish_reason: "stop" }],
    ["max_tokens", { stop_reason: "max_tokens" }, { finish_reason: "length" }],
    ["a full context", { stop_reason: "model_context_window_exceeded" }, { finish_reason: "length" }],
    [
      "a refusal",
      { stop_reason: "refusal", stop_details: { type: "refusal", category: "cyber" }, content: [] },
      { finish_reason: "content_filter", message: { content: "" } },
    ],
    [
      "thinking and more than one text",
      {
        content: [
          { type: "thinking", thinking: "a secret thought", signature: "EqQB" },
          { type: "redacted_thinking", data: "EmwK" },
          { type: "text", text: "one ", citations: null },
          { type: "text", text: "two" },
        ],
      },
      { message: { content: "one two" } },
    ],
  ])("may end or be made otherwise: %s", async (_, more, choice) => {
    const answer = await gateway(() => Response.json(message(more))).app.post(path, { messages });
    expect(answer.json()).toMatchObject({ choices: [choice], usage });
    expect(answer.text).not.toContain("secret");
  });

  it.each<[string, object]>([
    ["usage", { usage: undefined }],
    ["output tokens", { usage: { input_tokens: 7 } }],
    ["sensible counts", { usage: { input_tokens: "7", output_tokens: -1 } }],
  ])("has no usage where it came without %s", async (_, more) => {
    const answer = await gateway(() => Response.json(message(more))).app.post(path, { messages });
    expect(answer.status).toBe(200);
    expect(answer.json()).not.toHaveProperty("usage.prompt_tokens");
  });

  it.each([
    ["at once", streamed],
    ["byte by byte", byteByByte],
  ])("streams the same text where it comes %s", async (_, respond) => {
    const { app } = gateway(() => respond(encode(stream(end("max_tokens"), stop))));
    const answer = await app.post(path, { messages, stream: true, stream_options: { include_usage: true } });
    expect(contentOf(answer.text)).toBe("青羽🪶");
    expect(answer.text).toContain('"model":"claude-sonnet-4-6-upstream"');
    expect(answer.text).toContain('"finish_reason":"length"');
    expect(answer.text).toContain(
      '"usage":{"prompt_tokens":30,"completion_tokens":15,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":5}}',
    );
    expect(answer.text).not.toContain("secret");
    expect(answer.text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it.each<[string, Event, string]>([
    ["counts that were corrected", end("end_turn", { input_tokens: 30, output_tokens: 15 }), '"prompt_tokens":35'],
    ["the text that a block began with", end("end_turn"), '"content":"first"'],
    ["a refusal", end("refusal"), '"finish_reason":"content_filter"'],
  ])("streams %s", async (_, ending, told) => {
    const begun = { type: "content_block_start", index: 2, content_block: { type: "text", text: "first" } };
    const { app } = gateway(() => streamed(encode(stream(begun, ending, stop))));
    const answer = await app.post(path, { messages, stream: true, stream_options: { include_usage: true } });
    expect(answer.text).toContain(told);
    expect(answer.text).toContain("[DONE]");
  });

  it("streams no usage where only its beginning was counted", async () => {
    const { app } = gateway(() => streamed(encode(stream(end("end_turn", {}), stop))));
    const answer = await app.post(path, { messages, stream: true, stream_options: { include_usage: true } });
    expect(answer.text).not.toContain("prompt_tokens");
    expect(answer.text).toContain("[DONE]");
  });
});

describe("a failure of Anthropic's", () => {
  it.each<[number, unknown, string, number, string]>([
    [401, failure("authentication_error", "invalid x-api-key"), "unauthenticated", 502, "upstream_auth"],
    [402, failure("billing_error"), "permission_denied", 502, "upstream_auth"],
    [403, failure("permission_error"), "permission_denied", 502, "upstream_auth"],
    [404, failure("not_found_error", "model: claude-x"), "model_not_found", 404, "model_not_found"],
    [409, failure("conflict_error"), "conflict", 503, "upstream_unavailable"],
    [413, failure("request_too_large"), "context_length_exceeded", 400, "context_length_exceeded"],
    [413, "<html>", "context_length_exceeded", 400, "context_length_exceeded"],
    [429, failure("rate_limit_error"), "rate_limited", 429, "rate_limit_exceeded"],
    [500, failure("api_error", "Internal server error"), "internal", 503, "upstream_unavailable"],
    [502, "<html>", "unavailable", 503, "upstream_unavailable"],
    [504, failure("timeout_error"), "deadline_exceeded", 504, "upstream_timeout"],
    [529, failure("overloaded_error", "Overloaded"), "unavailable", 503, "upstream_unavailable"],
    [529, "<html>", "unavailable", 503, "upstream_unavailable"],
    ...[
      "prompt is too long: 212345 tokens > 200000 maximum",
      "input length and `max_tokens` exceed context limit: 199000 + 2000 > 200000",
    ].map((words): [number, unknown, string, number, string] => [
      400,
      failure("invalid_request_error", words),
      "context_length_exceeded",
      400,
      "context_length_exceeded",
    ]),
    ...[
      "Your credit balance is too low to access the Anthropic API.",
      "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
      "This organization has been disabled.",
    ].map((words): [number, unknown, string, number, string] => [
      400,
      failure("invalid_request_error", words),
      "permission_denied",
      502,
      "upstream_auth",
    ]),
  ])("%i %j is %s and leads to the next provider", async (status, body, reason, told, code) => {
    const refusal = () => (typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status }));
    const alone = await gateway(refusal).app.post(path, { messages });
    expect([alone.status, alone.json()]).toMatchObject([told, { error: { code } }]);
    const followed = await gateway(refusal, { providers: "anthropic,openai" }).app.post(path, { messages });
    expect(followed.status).toBe(200);
    expect(followed.headers.get("x-qingyu-attempts")).toContain(`anthropic:${reason}`);
    expect(followed.headers.get("x-qingyu-attempts")).toMatch(/openai:ok$/);
  });

  it.each<[number, unknown, string]>([
    [400, failure("invalid_request_error", "max_tokens: 9 > 8, which is the maximum"), "invalid_request"],
    [400, failure("invalid_request_error", "Output blocked by content filtering policy"), "content_filter"],
    [422, failure("an_error_of_the_future"), "invalid_request"],
    [400, [], "invalid_request"],
  ])("%i %j is told to the caller at once", async (status, body, code) => {
    const { app } = gateway(() => Response.json(body, { status }), { providers: "anthropic,openai" });
    const answer = await app.post(path, { messages });
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { code } }]);
    expect(answer.headers.get("x-qingyu-attempts")).not.toContain("openai");
  });

  it("keeps what was said to itself, and how long to wait", async () => {
    const planted = failure("rate_limit_error", "PLANTED");
    const { app } = gateway(() => Response.json(planted, { status: 429, headers: { "retry-after": "30" } }));
    const answer = await app.post(path, { messages });
    expect(answer.headers.get("retry-after")).toBe("30");
    expect([answer.text, ...answer.log].join()).not.toContain("PLANTED");
  });

  it.each<[string, () => Response, string]>([
    ["no content", () => Response.json(message({ content: [] })), "empty"],
    [
      "more blocks than any model makes",
      () => Response.json(message({ content: Array(1001).fill({ type: "text", text: "x" }) })),
      "malformed",
    ],
    ["thinking alone", () => Response.json(message({ content: [{ type: "thinking", thinking: "x" }] })), "empty"],
    ["no stop reason", () => Response.json(message({ stop_reason: null })), "truncated"],
    ["a pause", () => Response.json(message({ stop_reason: "pause_turn" })), "truncated"],
    ["an unknown stop reason", () => Response.json(message({ stop_reason: "of_the_future" })), "truncated"],
    ["a tool that nobody offered", () => Response.json(message({ stop_reason: "tool_use" })), "malformed"],
    ["a text without text", () => Response.json(message({ content: [{ type: "text" }] })), "malformed"],
    ["another form", () => Response.json({ completion: "x" }), "malformed"],
    ["broken JSON", () => new Response("{", { headers: { "content-type": "application/json" } }), "malformed"],
    ["another type", () => new Response("hello"), "malformed"],
    ["a stream that nobody asked for", () => streamed(encode(stream(end("end_turn"), stop))), "malformed"],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "https://x.test" } }), "redirected"],
  ])("is also an answer with %s", async (_, respond, reason) => {
    const answer = await gateway(respond, { providers: "anthropic,openai" }).app.post(path, { messages });
    expect(answer.headers.get("x-qingyu-attempts")).toBe(`anthropic:${reason}, openai:ok`);
  });

  const overloaded: Event = failure("overloaded_error", "Overloaded");
  it.each<[string, string, string]>([
    ["fails", encode([start, overloaded]), "unavailable"],
    ["fails within", encode([start, failure("api_error")]), "internal"],
    ["ends", encode([start]), "truncated"],
    ["says nothing", encode([start, end("end_turn"), stop]), "empty"],
    ["calls a tool", encode([start, end("tool_use"), stop]), "malformed"],
    ["is no stream", "data: hello\n\n", "malformed"],
  ])("falls back unseen where a stream %s before its first token", async (_, body, reason) => {
    const { app } = gateway(() => streamed(body), { providers: "anthropic,openai" });
    const answer = await app.post(path, { messages, stream: true });
    expect(answer.headers.get("x-qingyu-attempts")).toBe(`anthropic:${reason}, openai:ok`);
    expect(answer.text).toContain("from OpenAI");
  });

  it.each<[string, string]>([
    ["events without data", `data:\n\n${encode(stream(end("end_turn"), stop))}`],
    ["events without a type", `data: {"note":1}\n\n${encode(stream(end("end_turn"), stop))}`],
    ["OpenAI's last word", `${encode(stream())}data: [DONE]\n\n${encode([end("END_TURN"), stop])}`],
    ["a last event without its blank line", encode(stream(end("end_turn"), stop)).slice(0, -2)],
    ["usage that is zero at the end", encode(stream(end("end_turn", { input_tokens: 0, output_tokens: 15 }), stop))],
  ])("is none where a stream has %s", async (_, body) => {
    const { app } = gateway(() => streamed(body));
    const { text: said } = await app.post(path, { messages, stream: true, stream_options: { include_usage: true } });
    expect([contentOf(said), said.includes('"usage":{"prompt_tokens":30,"completion_tokens":15')]).toEqual([
      "青羽🪶",
      true,
    ]);
  });

  it("is what an answer of 200 says", async () => {
    for (const stream of [false, true]) {
      const { app } = gateway(() => Response.json(failure("overloaded_error")), { providers: "anthropic,openai" });
      const answer = await app.post(path, { messages, stream });
      expect(answer.headers.get("x-qingyu-attempts")).toMatch(/^(anthropic:unavailable, )+openai:ok$/);
    }
  });

  const whole = encode(stream(end("end_turn"), stop));
  it.each<[string, string, string]>([
    ["is cut off", encode(stream()), "upstream_bad_response"],
    ["has a stop reason but no end", encode(stream(end("end_turn"))), "upstream_bad_response"],
    ["is cut off inside its end", whole.slice(0, -3), "upstream_bad_response"],
    ["ends for no reason", encode(stream(end(null), stop)), "upstream_bad_response"],
    ["pauses", encode(stream(end("pause_turn"), stop)), "upstream_bad_response"],
    ["calls a tool", encode(stream(end("tool_use"), stop)), "upstream_bad_response"],
    [
      "loses a piece",
      `${encode(stream())}data: {"type":"content_block_delta","delta"\n\n${encode([end("end_turn"), stop])}`,
      "upstream_bad_response",
    ],
    [
      "has a piece without text",
      encode(stream({ ...text(""), delta: { type: "text_delta" } }, end("end_turn"), stop)),
      "upstream_bad_response",
    ],
    ["fails", encode(stream(overloaded, stop)), "upstream_unavailable"],
    ["meets a limit", encode(stream(failure("rate_limit_error"))), "rate_limit_exceeded"],
    [
      "is filtered",
      encode(stream(failure("invalid_request_error", "Output blocked by content filtering policy"))),
      "content_filter",
    ],
    ["fails for a new reason", encode(stream(failure("of_the_future"))), "upstream_unavailable"],
  ])("never looks like an end: a stream that %s", async (_, body, code) => {
    const answer = await gateway(() => streamed(body)).app.post(path, { messages, stream: true });
    expect(contentOf(answer.text)).toBe("青羽🪶");
    expect(answer.text).toContain(`"code":"${code}"`);
    expect(answer.text).not.toContain("[DONE]");
  });
});
