import { describe, expect, it } from "vitest";
import { ownId } from "./support/ids.ts";
import { at } from "./support/json.ts";
import { bodyBytes, jsonBody, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { goodModel, goodText, marker } from "./upstreams/texts.ts";

const messages = [{ role: "user", content: "你好🪶" }];

/** What OpenAI was asked for when the gateway was asked for this. */
async function sentFor(body: Record<string, unknown>, entry: Record<string, unknown> = {}, stream = false) {
  const asked = upstream("ok");
  const answer = await gateway([provider("openai", "openai", asked, entry)]).ask({ body, stream });
  expect([answer.status, answer.content]).toEqual([200, goodText]);
  return jsonBody((await asked.seen())[0]);
}

describe("a request to OpenAI", () => {
  it("has the gateway's key and ids, and nothing of the caller's", async () => {
    const asked = upstream("ok");
    await gateway([provider("openai", "openai", asked)]).ask({
      headers: {
        authorization: "Bearer the-callers-own",
        "x-request-id": "req-7",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        cookie: "a=b",
        "x-forwarded-for": "10.0.0.1",
        "openai-organization": "the-callers-own",
      },
    });
    const visits = await asked.seen();
    expect(visits.map(({ method, path }) => [method, path])).toEqual([["POST", "/v1/chat/completions"]]);
    expect(visits[0]?.headers).toMatchObject({
      authorization: `Bearer sk-${marker}`,
      "content-type": "application/json",
      "content-length": String(bodyBytes(visits[0]).byteLength),
      "x-request-id": ownId,
      traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/),
    });
    expect(Object.keys(visits[0]?.headers ?? {})).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(cookie|x-forwarded-for|openai-organization)$/)]),
    );
  });

  it("has no authorization where no key is configured", async () => {
    const asked = upstream("ok");
    await gateway([provider("local", "openai", asked, { apiKey: undefined })]).ask({
      headers: { authorization: "Bearer the-callers-own" },
    });
    expect((await asked.seen())[0]?.headers.authorization).toBeUndefined();
  });

  it("asks for usage where it streams", async () => {
    expect(await sentFor({ model: "gpt-4o" }, {}, true)).toEqual({
      model: "gpt-4o",
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it("carries every parameter, known or not, as the caller sent it", async () => {
    const body = {
      model: "gpt-4o",
      messages: [
        { role: "developer", content: "写小说" },
        {
          role: "user",
          content: [
            { type: "text", text: "一\u2028二" },
            { type: "image_url", image_url: { url: "data:," } },
          ],
        },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: "c", content: "三" },
        { role: "user", name: "青羽", content: "四" },
      ],
      max_tokens: 50,
      temperature: 0,
      top_p: 0.5,
      stop: ["完"],
      seed: 7,
      presence_penalty: -1,
      frequency_penalty: 1.5,
      response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "object" } } },
      user: "用户🪶",
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
      tool_choice: "auto",
      logit_bias: { "1": -100 },
      metadata: { 章: "一" },
      from_the_future: { deep: [1, null, { 键: "值" }] },
    };
    expect(await sentFor(body)).toEqual(body);
  });

  it.each(["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5.1-mini"])(
    "speaks to a model that thinks first: %s",
    async (model) => {
      const asked = upstream("ok");
      await gateway([provider("openai", "openai", asked)]).ask({ surface: "qingyu", body: { options: { model } } });
      expect(jsonBody((await asked.seen())[0])).toEqual({ model, messages, max_completion_tokens: 2000 });
      expect(await sentFor({ model, max_tokens: 9, temperature: 1 })).toEqual({
        model,
        messages,
        max_completion_tokens: 9,
        temperature: 1,
      });
    },
  );

  it.each(["max_tokens", "max_completion_tokens"])("calls the answer's length as the caller does: %s", async (name) => {
    expect(await sentFor({ model: "gpt-4o", [name]: 9 })).toEqual({ model: "gpt-4o", messages, [name]: 9 });
  });
});

describe("the model that OpenAI is asked for", () => {
  const cases = [
    { rules: {}, asked: "qwen-max", sent: "qwen-max" },
    { rules: {}, asked: undefined, sent: "gpt-4-turbo-preview" },
    { rules: { model: "mine" }, asked: "gpt-4o", sent: "mine" },
    { rules: { model: "mine" }, asked: undefined, sent: "mine" },
    { rules: { model: "mine", models: ["gpt-*"] }, asked: "gpt-4o", sent: "gpt-4o" },
    { rules: { model: "mine", models: ["gpt-*"] }, asked: "qwen-max", sent: "mine" },
    { rules: { model: "mine", models: ["gpt-*"] }, asked: "mine", sent: "mine" },
  ];

  it.each(cases)("is $sent for $asked under $rules", async ({ rules, asked, sent }) => {
    expect(await sentFor(asked === undefined ? {} : { model: asked }, rules)).toMatchObject({ model: sent });
  });

  it.each([
    ["gpt-4o", "gpt-4o"],
    ["chatgpt-4o-latest", "chatgpt-4o-latest"],
    ["o3", "o3"],
    ["BAAI/whatever", "gpt-4-turbo-preview"],
    ["claude-x", "gpt-4-turbo-preview"],
  ])("is one of OpenAI's where the settings only name OpenAI: %s", async (asked, sent) => {
    const openai = upstream("ok");
    const { ask } = gateway("openai", { OPENAI_BASE_URL: `${openai.url}/v1`, OPENAI_API_KEY: "sk-key" });
    expect((await ask({ body: { model: asked } })).status).toBe(200);
    expect(jsonBody((await openai.seen())[0])).toMatchObject({ model: sent });
  });
});

describe("an answer of OpenAI", () => {
  it.each([false, true])("is passed on with its model and usage; stream %s", async (stream) => {
    const { ask } = gateway([provider("openai", "openai", upstream("ok"))]);
    const { events } = await ask({ stream, body: { stream_options: { include_usage: true } } });
    const last = events.findLast((event) => event !== "[DONE]");
    expect([at(last, "model"), at(last, "usage")]).toEqual([
      goodModel,
      { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
    ]);
  });

  it.each([false, true])("that its content filter ended is passed on as it is; stream %s", async (stream) => {
    for (const scenario of ["finish:content_filter", "filtered"]) {
      const { ask } = gateway([
        provider("first", "openai", upstream(scenario)),
        provider("second", "openai", upstream("ok")),
      ]);
      const { status, attempts, text } = await ask({ stream });
      expect([status, attempts]).toEqual([200, "first:ok"]);
      expect(text).toContain('"finish_reason":"content_filter"');
    }
  });

  it("may not be a stream where none was asked for", async () => {
    const { ask } = gateway([
      provider("first", "openai", upstream("streamed")),
      provider("second", "openai", upstream("ok")),
    ]);
    expect((await ask()).attempts).toBe("first:malformed, second:ok");
  });

  it("names the parameter at fault only where the caller sent it", async () => {
    const ask = (param: string) =>
      gateway([provider("first", "openai", upstream(`error:400:bad.${param}`))]).ask({ body: { top_p: 0.5 } });
    expect(at((await ask("top_p")).events[0], "error", "param")).toBe("top_p");
    expect(at((await ask("secret")).events[0], "error", "param")).toBe(null);
  });
});
