import { create, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { GenerateContentResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";
import { completion, completionChunk, embeddingList, event, usageChunk } from "./upstreams/openai-answers.ts";

/** OpenAI, which answers everything with these members. */
function claiming(more: Record<string, unknown>): Hono {
  const stream = [completionChunk({ content: "好" }, "stop", more), usageChunk(more), "[DONE]"].map(event).join("");
  return new Hono()
    .post("/v1/chat/completions", async (c) => {
      const { stream: isStreamed }: { stream?: boolean } = await c.req.json();
      return isStreamed ? c.body(stream, 200, { "content-type": "text/event-stream" }) : c.json(completion("好", more));
    })
    .post("/v1/embeddings", (c) => c.json(embeddingList([[1, 2]], more)));
}

const ways = surfaces.flatMap((surface) => [false, true].map((stream) => ({ surface, stream })));

/** A busy machine may not turn hits into misses. */
const patient = { ...onlyOpenAi, QINGYU_CACHE_READ_TIMEOUT_MS: "10000" };

async function sent(network: Hono, { surface, stream }: (typeof ways)[number], text: string, settings = patient) {
  const { path, init } = requestTo(surface, stream, text);
  const answer = await testApp({ network, settings }).send(path, init);
  expect([answer.status, answer.text.includes("upstream_"), answer.text.includes('"internal"')]).toEqual([
    200,
    false,
    false,
  ]);
  return { text: answer.text, log: JSON.parse(answer.log.at(-1) ?? "") };
}

describe.each(ways)("counts of tokens, seen from $surface, stream: $stream", (way) => {
  const usageOf = (count: unknown) => ({ prompt_tokens: 1, completion_tokens: count, total_tokens: count });

  it.each([-1, 1.5, 2 ** 31, 2 ** 53, 1e300, "7", null, true, [7]])(
    "that cannot be one are none: %j",
    async (count) => {
      const text = `counts ${JSON.stringify({ way, count })}`;
      const network = claiming({ usage: usageOf(count) });
      for (const cache of ["miss", "hit"]) {
        const { text: said, log } = await sent(network, way, text);
        expect([log.cache, log.usage]).toEqual([cache, undefined]);
        expect(said).not.toMatch(/total_?tokens"?:\s*"?[-\d[]|tokensUsed"?:\s*"?[-\d]/i);
      }
    },
  );

  it("go as far as the contract's", async () => {
    const most = 2 ** 31 - 1;
    const network = claiming({ usage: usageOf(most) });
    for (const cache of ["miss", "hit"]) {
      const { log } = await sent(network, way, `most ${JSON.stringify(way)}`);
      expect([log.cache, log.usage]).toMatchObject([
        cache,
        { promptTokens: 1, completionTokens: most, totalTokens: most },
      ]);
    }
  });
});

it("details of usage hold counts and nothing else", async () => {
  const prompt_tokens_details = {
    cached_tokens: 3,
    audio_tokens: -1,
    note: "text of the provider",
    "a b": 1,
    deep: {},
  };
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, prompt_tokens_details };
  const { path, init } = requestTo("openai", false, "details");
  const answer = await testApp({ network: claiming({ usage }) }).send(path, init);
  expect(at(answer.json(), "usage")).toEqual({
    prompt_tokens: 1,
    completion_tokens: 2,
    total_tokens: 3,
    prompt_tokens_details: { cached_tokens: 3 },
  });
});

describe("the model that a provider names", () => {
  const names = [
    "qwen2.5:7b-instruct-q4_0",
    "accounts/fireworks/models/llama-v3p1-8b",
    "BAAI/bge-large-zh-v1.5",
    "ft:gpt-4o:org::id",
    "@cf/meta/llama",
    "hf.co/x/y:Q4",
    "claude-3-5-sonnet@20240620",
    "/models/llama-3.gguf",
    "m".repeat(200),
  ];
  const others = [
    "",
    "two words",
    "a\nb",
    "<b>",
    'a"b',
    "模型",
    "\u202egpt",
    "m".repeat(201),
    7,
    null,
    ["m"],
    { m: 1 },
  ];

  const rows = [
    ...names.map((model) => ({ model, shown: model, embedder: model })),
    ...others.map((model) => ({ model, shown: "gpt-4-turbo-preview", embedder: "text-embedding-3-small" })),
  ];

  it.each(rows)("is shown where it looks like one: $model", async ({ model, shown, embedder }) => {
    const network = claiming({ model });
    const settings = { ...patient, QINGYU_CACHE_ENABLED: "false" };
    for (const way of ways) {
      const { text, log } = await sent(network, way, "who answers?", settings);
      expect([way, log.model, text.includes(shown)]).toEqual([way, shown, true]);
    }
    const asked = { model: "text-embedding-3-small", input: "who?" };
    const answer = await testApp({ network, settings }).post("/v1/embeddings", asked);
    expect([at(answer.json(), "model"), JSON.parse(answer.log.at(-1) ?? "").model]).toEqual([embedder, embedder]);
  });

  it.each(["upstream-model", "two words"])("is held to the same of the AI service: %s", async (model) => {
    const message = { content: "好", model, tokensUsed: -7, finishReason: "stop" };
    const bytes = toBinary(GenerateContentResponseSchema, create(GenerateContentResponseSchema, message));
    const network = new Hono().post("*", (c) =>
      c.body(new Uint8Array(bytes), 200, { "content-type": "application/proto" }),
    );
    const settings = { AI_PROVIDERS: [{ name: "ai", type: "ai-service", baseUrl: "https://ai.test" }] };
    const { path, init } = requestTo("openai", false, `ai service ${model}`);
    const answer = await testApp({ network, settings }).send(path, init);
    expect(answer.json()).toMatchObject({ model: model === "two words" ? "asked" : model, usage: null });
  });
});

describe("a member named __proto__", () => {
  const withMember = [
    '{"messages":[{"role":"user","content":"x"}],"__proto__":{"x":1}}',
    '{"messages":[{"role":"user","content":"x","__pr\\u006fto__":{"x":1}}]}',
    '{"messages":[{"role":"user","content":"x"}],"metadata":{"\\u005f\\u005fproto__":{"x":1}}}',
  ];

  it.each(withMember)("of a caller is refused by name: %s", async (body) => {
    const answer = await testApp({ network: claiming({}) }).post("/v1/chat/completions", body);
    expect([answer.status, at(answer.json(), "error", "param")]).toEqual([400, "__proto__"]);
  });

  it("is no matter in a text", async () => {
    const body = { messages: [{ role: "user", content: 'what is {"__proto__": 1}?' }] };
    expect((await testApp({ network: claiming({}) }).post("/v1/chat/completions", body)).status).toBe(200);
  });

  it.each([false, true])("of a provider changes no prototype, stream: %s", async (stream) => {
    const said = '"content":"好","__proto__":{"tool_calls":[{"id":"c"}]},"constructor":{"prototype":{"polluted":1}}';
    const whole = JSON.stringify(completion("好")).replace('"content":"好"', said);
    const piece = JSON.stringify(completionChunk({ content: "好" }, "stop")).replace('"content":"好"', said);
    const network = new Hono().post("*", (c) =>
      stream
        ? c.body(event(piece) + event("[DONE]"), 200, { "content-type": "text/event-stream" })
        : c.body(whole, 200, { "content-type": "application/json" }),
    );
    const { path, init } = requestTo("openai", stream, `proto ${stream}`);
    const answer = await testApp({ network }).send(path, init);
    expect([answer.status, answer.text.includes("好"), Object.hasOwn(Object.prototype, "polluted")]).toEqual([
      200,
      true,
      false,
    ]);
    expect(at({}, "tool_calls")).toBeUndefined();
  });
});
