import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { completion, completionChunk, event } from "./upstreams/openai-answers.ts";

/* Errors as servers that speak OpenAI's API really say them, as people reported of them, and what they lead to. */

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "你好" }];
const sse = { "content-type": "text/event-stream" };

type Body = Record<string, unknown>;
type Answer = (body: Body) => Response;

/** A first provider that answers so, alone or before one that is well. */
function chain(answer: Answer, providers: readonly string[] = ["first", "second"], type = "openai") {
  const bodies: Body[] = [];
  const first = async (request: Request) => {
    const body: Body = await request.json();
    bodies.push(body);
    return answer(body);
  };
  const network = new Hono()
    .post("/first/chat/completions", ({ req }) => first(req.raw))
    .post("/first/v1/messages", ({ req }) => first(req.raw))
    .post("/second/chat/completions", () => Response.json(completion("好")));
  const entries = providers.map((name) => ({
    name,
    type: name === "first" ? type : "openai",
    baseUrl: `https://ai.test/${name}`,
    apiKey: "sk-upstream",
  }));
  const { post } = testApp({ network, settings: { AI_PROVIDERS: entries, QINGYU_CACHE_ENABLED: "false" } });
  return {
    bodies,
    async ask(more: object = {}, route = path) {
      const answer = await post(route, { messages, ...more });
      return { ...answer, attempts: answer.headers.get("x-qingyu-attempts") };
    },
    post,
  };
}

const next = (reason: string) => `first:${reason}, second:ok`;
const flat = (message: string, more: object = {}) => ({ object: "error", message, param: null, ...more });
const error = (message: string, more: object = {}) => ({ error: { message, ...more } });
const info = (reason: string) => ({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason });

interface Refusal {
  readonly status: number;
  readonly body: unknown;
  /** In `x-qingyu-attempts`. */
  readonly reason: string;
  /** What the caller hears where nobody else is left. */
  readonly told: readonly [status: number, code: string];
  readonly isForCaller?: true;
}

const tooLong = { reason: "context_length_exceeded", told: [400, "context_length_exceeded"] } as const;
const noModel = { reason: "model_not_found", told: [404, "model_not_found"] } as const;
const ourKey = { reason: "unauthenticated", told: [502, "upstream_auth"] } as const;
const filtered = { reason: "content_filter", told: [400, "content_filter"], isForCaller: true } as const;
const limited = { reason: "rate_limited", told: [429, "rate_limit_exceeded"] } as const;
const lacking = { reason: "unsupported_parameter", told: [400, "unsupported_parameter"] } as const;
const refused = { reason: "invalid_request", told: [400, "invalid_request"], isForCaller: true } as const;
const down = (reason: string) => ({ reason, told: [503, "upstream_unavailable"] as const });

const refusals: Readonly<Record<string, Refusal>> = {
  // No such model.
  "vLLM's": {
    status: 404,
    body: flat("The model `ghost` does not exist.", { type: "NotFoundError", code: 404 }),
    ...noModel,
  },
  "Ollama's": {
    status: 404,
    body: error('model "ghost" not found, try pulling it first', { type: "api_error" }),
    ...noModel,
  },
  "Ollama's older": { status: 404, body: { error: "model 'ghost' not found, try pulling it first" }, ...noModel },
  "OpenRouter's": { status: 400, body: error("ghost is not a valid model ID", { code: 400 }), ...noModel },
  "DeepSeek's": { status: 400, body: error("Model Not Exist", { type: "invalid_request_error" }), ...noModel },
  "Gemini's": {
    status: 404,
    body: [error("models/ghost is not found for API version v1beta", { code: 404, status: "NOT_FOUND" })],
    ...noModel,
  },
  "a path's": { status: 404, body: { detail: "Not Found" }, reason: "not_found", told: [502, "upstream_bad_response"] },
  // Too long.
  "vLLM's length": {
    status: 400,
    body: flat("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", {
      type: "BadRequestError",
      code: 400,
    }),
    ...tooLong,
  },
  "SGLang's length": {
    status: 400,
    body: flat("The input (9000 tokens) is longer than the model's context length (8192 tokens).", {
      type: "BadRequestError",
      code: 400,
    }),
    ...tooLong,
  },
  "llama.cpp's length": {
    status: 400,
    body: error("the request exceeds the available context size", { code: 400, type: "exceed_context_size_error" }),
    ...tooLong,
  },
  "Mistral's length": {
    status: 400,
    body: flat("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", { code: "3051" }),
    ...tooLong,
  },
  "Qwen's length": {
    status: 400,
    body: error("Range of input length should be [1, 30720]", { code: "invalid_parameter_error" }),
    ...tooLong,
  },
  "Gemini's length": {
    status: 400,
    body: [
      error("The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", { code: 400 }),
    ],
    ...tooLong,
  },
  "a proxy's length": { status: 413, body: "<html>", ...tooLong },
  "a provider's behind OpenRouter": {
    status: 400,
    body: error("Provider returned error", {
      code: 400,
      metadata: { raw: '{"error":{"message":"prompt is too long: 9 tokens"}}' },
    }),
    ...tooLong,
  },
  // Our credential.
  "Gemini's key": {
    status: 400,
    body: error("API key not valid.", { code: 400, status: "INVALID_ARGUMENT", details: [info("API_KEY_INVALID")] }),
    ...ourKey,
  },
  "a key in words": { status: 400, body: error("Incorrect API key provided"), ...ourKey },
  "a balance": {
    status: 402,
    body: error("Insufficient Balance", { type: "unknown_error", code: "invalid_request_error" }),
    reason: "quota_exhausted",
    told: [429, "rate_limit_exceeded"],
  },
  // Filters.
  "OpenRouter's moderation": {
    status: 403,
    body: error("x requires moderation.", { code: 403, metadata: { reasons: ["violence"] } }),
    ...filtered,
  },
  "Azure's filter": {
    status: 400,
    body: error("The response was filtered", { code: null, innererror: { code: "ResponsibleAIPolicyViolation" } }),
    ...filtered,
  },
  "Qwen's filter": {
    status: 400,
    body: { code: "DataInspectionFailed", message: "Input data may contain inappropriate content." },
    ...filtered,
  },
  "a 403 without a word of it": {
    status: 403,
    body: error("Forbidden"),
    reason: "permission_denied",
    told: [502, "upstream_auth"],
  },
  // Parameters.
  "a parameter in words": {
    status: 422,
    body: { detail: [{ type: "extra_forbidden", loc: ["body", "top_p"], msg: "Extra inputs are not permitted" }] },
    ...lacking,
  },
  "a parameter by name": { status: 400, body: error("no", { param: "top_p", code: "unsupported_value" }), ...lacking },
  "something else": {
    status: 400,
    body: error("[] is too short - 'tools'", { type: "invalid_request_error" }),
    ...refused,
  },
  // Statuses in the body.
  "a numeric code": { status: 500, body: error("slow down", { code: 429 }), ...limited },
  "digits as a code": { status: 500, body: error("slow down", { code: "429" }), ...limited },
  "an overload": { status: 529, body: error("x", { type: "overloaded_error" }), ...down("unavailable") },
};

describe("an error of an OpenAI-like server", () => {
  const rows = Object.entries(refusals);
  const respond = ({ status, body }: Refusal) =>
    typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status });

  it.each(rows)("leads where it belongs: %s", async (_, refusal) => {
    for (const stream of [false, true]) {
      const both = chain(() => respond(refusal));
      const { status, attempts } = await both.ask({ top_p: 0.5, stream });
      expect([status, attempts]).toEqual(
        refusal.isForCaller
          ? [refusal.told[0], `first:${refusal.reason}`]
          : [200, expect.stringMatching(`^(first:${refusal.reason}, )+second:ok$`)],
      );
      const alone = await chain(() => respond(refusal), ["first"]).ask({ top_p: 0.5, stream });
      expect([alone.status, at(alone.json(), "error", "code")]).toEqual(refusal.told);
    }
  });

  it("names the parameter at fault where the caller sent it", async () => {
    for (const [body, param] of [
      [refusals["a parameter in words"]?.body, "top_p"],
      [error("Unsupported value: 'top_p' does not support 0.5 with this model"), "top_p"],
      [error("`seed` is not supported"), null],
    ] as const) {
      const { json } = await chain(() => Response.json(body, { status: 400 }), ["first"]).ask({ top_p: 0.5 });
      expect(at(json(), "error", "param")).toBe(param);
    }
  });

  it("says how long to wait in its details", async () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.5s" }];
    const body = [error("quota", { code: 429, status: "RESOURCE_EXHAUSTED", details })];
    const { headers, status } = await chain(() => Response.json(body, { status: 429 }), ["first"]).ask();
    expect([status, headers.get("retry-after")]).toEqual([429, "35"]);
  });
});

describe("an error with the status 200", () => {
  it.each<[string, unknown, string]>([
    [
      "a limit",
      { ...error("Rate limit exceeded", { code: 429, metadata: { provider_name: "X" } }), user_id: "u" },
      "rate_limited",
    ],
    ["a fault", error("Provider returned error", { code: 502 }), "unavailable"],
    ["no code at all", error("no"), "internal"],
    ["a flat one", flat("no", { code: 503 }), "unavailable"],
    ["in a list", [error("no", { code: 503 })], "unavailable"],
    ["a text", { error: "too many requests" }, "rate_limited"],
    ["beside no choices", { ...error("no", { code: 503 }), choices: [] }, "unavailable"],
  ])("is what it says: %s", async (_, body, reason) => {
    const attempts = expect.stringMatching(`^(first:${reason}, )+second:ok$`);
    for (const stream of [false, true]) {
      expect((await chain(() => Response.json(body)).ask({ stream })).attempts).toEqual(attempts);
    }
    const streamed = () => new Response(`: OPENROUTER PROCESSING\n\n${event(body)}`, { headers: sse });
    expect((await chain(streamed).ask({ stream: true })).attempts).toBe(next(reason));
  });

  it("is a content filter's where it says so", async () => {
    const { status, attempts, json } = await chain(() =>
      Response.json(error("flagged", { code: "content_filter" })),
    ).ask();
    expect([status, attempts, at(json(), "error", "code")]).toEqual([400, "first:content_filter", "content_filter"]);
  });

  it("is none where it says nothing, beside an answer", async () => {
    const { attempts } = await chain(() => Response.json({ ...completion("好"), error: null })).ask();
    expect(attempts).toBe("first:ok");
  });
});

describe("a finish reason", () => {
  it.each([
    ["tool_use", "tool_calls"],
    ["TOOL_CALL", "tool_calls"],
    ["model_length", "length"],
    ["MAX_TOKENS", "length"],
    ["max-tokens", "length"],
    ["FinishReason.STOP", "stop"],
    ["Complete", "stop"],
    ["endTurn", "stop"],
    ["SAFETY", "content_filter"],
    ["guardrail_intervened", "content_filter"],
  ])("is said in the gateway's words: %s", async (word, reason) => {
    const whole = await chain(() => Response.json(completion("好", {}, word))).ask();
    expect([whole.attempts, at(whole.json(), "choices", 0, "finish_reason")]).toEqual(["first:ok", reason]);
    const events = [completionChunk({ content: "好" }), completionChunk({}, word), "[DONE]"];
    const streamed = () => new Response(events.map(event).join(""), { headers: sse });
    const { attempts, text } = await chain(streamed).ask({ stream: true });
    expect([attempts, text.includes(`"finish_reason":"${reason}"`)]).toEqual(["first:ok", true]);
  });

  it.each(["error", "abort", "network_error", "insufficient_system_resource", "cancelled", ""])(
    "does not prove that an answer is complete: %j",
    async (word) => {
      expect((await chain(() => Response.json(completion("好", {}, word))).ask()).attempts).toBe(next("truncated"));
    },
  );
});

describe("an empty answer that ended by its limit", () => {
  const details = { completion_tokens_details: { reasoning_tokens: 16 } };
  const usage = { prompt_tokens: 9, completion_tokens: 16, total_tokens: 25, ...details };
  const events = [completionChunk({ content: "" }), completionChunk({}, "length"), { choices: [], usage }, "[DONE]"];
  const streamed = () => new Response(events.map(event).join(""), { headers: sse });
  const whole = () => Response.json(completion("", { usage }, "length"));

  it("is an answer, with what it cost, on every surface", async () => {
    const plain = await chain(whole).ask({ max_tokens: 16 });
    expect([
      plain.status,
      plain.attempts,
      at(plain.json(), "choices", 0, "finish_reason"),
      at(plain.json(), "usage"),
    ]).toEqual([200, "first:ok", "length", usage]);
    const { text } = await chain(streamed).ask({
      max_tokens: 16,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(text).toMatch(/"finish_reason":"length".*"reasoning_tokens":16.*\[DONE\]/s);
    const prompted = { projectId: "p", prompt: "你好" };
    for (const route of ["/api/v1/ai/generate", "/qingyu.ai.AIService/GenerateContent"]) {
      const answer = await chain(whole).post(route, prompted);
      expect([answer.status, answer.text.includes('"finishReason":"length"')]).toEqual([200, true]);
    }
    const done = await chain(streamed).post("/api/v1/ai/generate", { ...prompted, options: { stream: true } });
    expect(done.text).toMatch(/^event: done\ndata: .*"finishReason":"length","tokensUsed":25/);
  });

  it("is not kept", async () => {
    let times = 0;
    const network = new Hono().post(path, () => {
      times++;
      return whole();
    });
    const settings = { OPENAI_API_KEY: "sk-x", OPENAI_BASE_URL: "https://ai.test/v1", AI_PROVIDERS: "openai" };
    const { post } = testApp({ network, settings });
    for (const _ of [1, 2]) await post(path, { messages: [{ role: "user", content: "not kept" }], max_tokens: 16 });
    expect(times).toBe(2);
  });
});

describe("a parameter that only the gateway adds", () => {
  const route = "/api/v1/ai/generate";
  const prompted = { projectId: "p", prompt: "你好" };
  const refusing =
    (...names: readonly string[]): Answer =>
    (body) => {
      const name = names.find((each) => body[each] !== undefined);
      if (name === undefined) return Response.json(completion("好"));
      return Response.json(
        error(`Unsupported parameter: '${name}' is not supported with this model.`, { code: "unsupported_parameter" }),
        { status: 400 },
      );
    };

  it("is left out where a model refuses it, within one attempt, and remembered", async () => {
    const { bodies, post } = chain(refusing("max_tokens", "temperature"), ["first"]);
    const first = await post(route, prompted);
    expect([first.status, first.headers.get("x-qingyu-attempts"), bodies.length]).toEqual([200, "first:ok", 3]);
    await post(route, prompted);
    expect(bodies).toHaveLength(4);
    expect(bodies.at(-1)).not.toHaveProperty("temperature");
    expect(bodies.at(-1)).not.toHaveProperty("max_tokens");
    // Of another model nothing is known.
    await post(route, { ...prompted, options: { model: "other" } });
    expect(bodies[4]).toMatchObject({ max_tokens: 2000, temperature: 0.7 });
  });

  it("is named by its param as well", async () => {
    const answer: Answer = ({ temperature }) =>
      temperature === undefined
        ? Response.json(completion("好"))
        : Response.json(
            error("no", { type: "invalid_request_error", param: "temperature", code: "unsupported_value" }),
            { status: 400 },
          );
    expect((await chain(answer, ["first"]).post(route, prompted)).status).toBe(200);
  });

  it("is left out of streams: their options", async () => {
    const answer: Answer = ({ stream_options }) =>
      stream_options === undefined
        ? new Response(
            [completionChunk({ content: "好" }), completionChunk({}, "stop"), "[DONE]"].map(event).join(""),
            { headers: sse },
          )
        : Response.json(
            {
              detail: [
                { loc: ["body", "stream_options"], msg: "Extra inputs are not permitted", type: "extra_forbidden" },
              ],
            },
            { status: 422 },
          );
    const { bodies, ask } = chain(answer, ["first"]);
    expect([(await ask({ stream: true })).attempts, bodies.length]).toEqual(["first:ok", 2]);
  });

  it("makes the next provider answer where that does not help, and is not named to the caller", async () => {
    const stubborn: Answer = () =>
      Response.json(error("'temperature' is not supported", { code: "unsupported_value" }), { status: 400 });
    expect((await chain(stubborn).post(route, prompted)).headers.get("x-qingyu-attempts")).toMatch(
      /^first:\w+, second:ok$/,
    );
    expect((await chain(stubborn, ["first"]).post(route, prompted)).text).not.toContain("temperature");
  });

  it("is the caller's where the caller sent it", async () => {
    const { ask, bodies } = chain(refusing("temperature"), ["first"]);
    const { status, json } = await ask({ temperature: 0.2 });
    expect([status, at(json(), "error", "param"), bodies.length]).toEqual([400, "temperature", 1]);
  });

  it("is left out for Anthropic's models too", async () => {
    const answer: Answer = ({ temperature }) =>
      temperature === undefined
        ? Response.json({ content: [{ type: "text", text: "好" }], stop_reason: "end_turn" })
        : Response.json(
            {
              type: "error",
              ...error("`temperature` is deprecated for this model.", { type: "invalid_request_error" }),
            },
            { status: 400 },
          );
    const { bodies, post } = chain(answer, ["first"], "anthropic");
    expect([(await post(route, prompted)).status, bodies.length]).toEqual([200, 2]);
  });
});

describe("several choices", () => {
  const choice = (index: number, delta: object, finish_reason: string | null = null) => ({
    choices: [{ index, delta, finish_reason }],
  });
  const says = (...events: unknown[]) => new Response([...events, "[DONE]"].map(event).join(""), { headers: sse });

  it.each(["live", "atomic"])("each have their end where one ends before another begins: %s", async (delivery) => {
    const answer = () =>
      says(
        choice(1, { content: "b" }, null),
        choice(1, {}, "stop"),
        choice(0, { content: "a" }),
        choice(0, {}, "length"),
      );
    const { post } = chain(answer);
    const { text } = await post(path, { messages, n: 2, stream: true }, { "x-qingyu-delivery": delivery });
    expect(text.match(/"index":1,[^\n]*"finish_reason":"stop"/g)).toHaveLength(1);
    expect(text.match(/"index":0,[^\n]*"finish_reason":"length"/g)).toHaveLength(1);
  });

  it.each(["live", "atomic"])("may be fewer than were asked for: %s", async (delivery) => {
    for (const index of [0, 1]) {
      const { post } = chain(
        () =>
          says(choice(index, { content: "only" }), choice(index, {}, "stop"), {
            choices: [],
            usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
          }),
        ["first"],
      );
      const { text, headers } = await post(path, { messages, n: 2, stream: true }, { "x-qingyu-delivery": delivery });
      expect([headers.get("x-qingyu-attempts"), text.includes("only"), text.endsWith("data: [DONE]\n\n")]).toEqual([
        "first:ok",
        true,
        true,
      ]);
    }
  });
});

describe("thoughts or a refusal without a text", () => {
  const prompted = { projectId: "p", prompt: "你好" };
  const alone = (said: object, reason = "stop") => ({
    whole: () =>
      Response.json(
        completion("", { choices: [{ index: 0, message: { content: null, ...said }, finish_reason: reason }] }),
      ),
    streamed: () =>
      new Response([completionChunk(said), completionChunk({}, reason), "[DONE]"].map(event).join(""), {
        headers: sse,
      }),
  });

  it.each<[string, object]>([
    ["thoughts", { reasoning_content: "hm" }],
    ["a refusal", { refusal: "no" }],
  ])("are told of where only a text can be shown: %s", async (_, said) => {
    const { whole, streamed } = alone(said);
    const plain = await chain(whole).post("/api/v1/ai/generate", prompted);
    expect([plain.status, at(plain.json(), "error")]).toEqual([502, "upstream_bad_response"]);
    const events = await chain(streamed).post("/api/v1/ai/generate", { ...prompted, options: { stream: true } });
    expect(events.text).toMatch(/^event: error\n/);
    const connect = await chain(whole).post("/qingyu.ai.AIService/GenerateContent", prompted);
    expect([connect.status, at(connect.json(), "code")]).toEqual([500, "internal"]);
    expect((await chain(whole).ask()).json()).toMatchObject({ choices: [{ message: said }] });
  });

  it("are an answer where its limit ended them", async () => {
    const { status } = await chain(alone({ reasoning_content: "hm" }, "length").whole).post(
      "/api/v1/ai/generate",
      prompted,
    );
    expect(status).toBe(200);
  });
});
