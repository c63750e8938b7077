import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { AIService, GenerateContentResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { fakeOpenAi, onlyOpenAi } from "./support/app-on-fake-network.ts";
import { appWithLedger, entriesOf, row, rowsOf } from "./support/ledger.ts";
import { keepingLog } from "./support/log.ts";
import { completion, completionChunk, embeddingList, event, usageChunk } from "./upstreams/openai-answers.ts";

const chat = "/v1/chat/completions";
const question = (content: string = crypto.randomUUID()) => ({ messages: [{ role: "user", content }] });
const streamed = (...events: unknown[]) =>
  new Response(events.map(event).join(""), { headers: { "content-type": "text/event-stream" } });

/** What is written of one request to OpenAI that is answered so. */
async function writtenOf(answer: () => Response, body: object = question(), settings: Record<string, unknown> = {}) {
  const network = new Hono().post(chat, answer).post("/v1/embeddings", answer);
  const app = await appWithLedger({ network, settings: { ...onlyOpenAi, ...settings } });
  const path = "input" in body ? "/v1/embeddings" : chat;
  const sent = await app.post(path, body, app.auth);
  const { keyId, tenant } = app;
  return { sent, keyId, entries: await entriesOf(tenant) };
}

const details = {
  prompt_tokens: 2_000,
  completion_tokens: 300,
  total_tokens: 2_300,
  prompt_tokens_details: { cached_tokens: 1_500, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 120 },
};
const counts = { prompt: 2_000, cached: 1_500, completion: 300, reasoning: 120, total: 2_300 };
const prices = (table: object) => ({ AI_PRICES: JSON.stringify(table) });

describe("an answered request's entry", () => {
  it("has OpenAI's tokens, the cached and the thoughts among them", async () => {
    const { keyId, entries } = await writtenOf(() => Response.json(completion("好", { usage: details })));
    expect(entries).toEqual([row({ key_id: keyId, ...counts })]);
  });

  it("has those of a stream", async () => {
    const { keyId, entries, sent } = await writtenOf(
      () =>
        streamed(
          completionChunk({ content: "好" }),
          completionChunk({}, "stop"),
          usageChunk({ usage: details }),
          "[DONE]",
        ),
      { ...question(), stream: true },
    );
    expect(sent.text).toContain("[DONE]");
    expect(entries).toEqual([row({ key_id: keyId, ...counts })]);
  });

  it("tells a count of 0 from one that is unknown", async () => {
    const usage = { ...details, prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: {} };
    const { keyId, entries } = await writtenOf(() => Response.json(completion("好", { usage })));
    expect(entries).toEqual([row({ key_id: keyId, ...counts, cached: 0, reasoning: null })]);
  });

  it("has Anthropic's, whose prompt has what its cache wrote and read", async () => {
    const usage = { input_tokens: 100, cache_creation_input_tokens: 40, cache_read_input_tokens: 5, output_tokens: 30 };
    const message = { model: "claude-x", content: [{ type: "text", text: "好" }], stop_reason: "end_turn", usage };
    const settings = { AI_PROVIDERS: "anthropic", ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: "https://claude.test" };
    const network = new Hono().post("/v1/messages", (c) => c.json(message));
    const { post, auth, tenant, keyId } = await appWithLedger({ network, settings });
    await post(chat, question(), auth);
    const tokens = { prompt: 145, cached: 5, completion: 30, reasoning: null, total: 175 };
    expect(await entriesOf(tenant)).toEqual([
      row({ key_id: keyId, provider: "anthropic", model: "claude-x", ...tokens }),
    ]);
  });

  const usages: [string, MessageInitShape<typeof GenerateContentResponseSchema>, Record<string, unknown>][] = [
    [
      "its usage",
      { usage: { promptTokens: 9, completionTokens: 4, totalTokens: 13 } },
      { prompt: 9, completion: 4, total: 13 },
    ],
    ["its total", { tokensUsed: 21 }, { prompt: null, completion: null, total: 21 }],
    ["nothing", {}, { prompt: 30, completion: 1, total: 31, estimated: 1 }],
  ];
  it.each(usages)("has the AI service's, which says %s", async (_, said, expected) => {
    const answer = toBinary(
      GenerateContentResponseSchema,
      create(GenerateContentResponseSchema, { content: "好", model: "qwen", ...said }),
    );
    const network = new Hono().post("/qingyu.ai.AIService/GenerateContent", (c) =>
      c.body(new Uint8Array(answer), 200, { "content-type": "application/proto" }),
    );
    const settings = { AI_PROVIDERS: "ai-service", PYTHON_AI_SERVICE_URL: "https://ai.test" };
    const { post, auth, tenant, keyId } = await appWithLedger({ network, settings });
    await post(chat, question("四个汉字"), auth);
    expect(await entriesOf(tenant)).toEqual([
      row({ key_id: keyId, provider: "ai-service", model: "qwen", ...expected }),
    ]);
  });

  it("has an RPC's name and what the service says of its tokens", async () => {
    const { output } = AIService.method.storyWrite;
    const answer = toBinary(output, create(output, { content: "好", tokensUsed: 77, model: "qwen" }));
    const network = new Hono().post("/qingyu.ai.AIService/StoryWrite", (c) =>
      c.body(new Uint8Array(answer), 200, { "content-type": "application/proto" }),
    );
    const settings = { AI_PROVIDERS: "ai-service", PYTHON_AI_SERVICE_URL: "https://ai.test" };
    const { post, auth, tenant, keyId } = await appWithLedger({ network, settings });
    const body = { instruction: "写" };
    const sent = await post("/qingyu.ai.AIService/StoryWrite", body, auth);
    expect(sent.status).toBe(200);
    const tokens = { prompt: null, completion: null, total: 77 };
    expect(await entriesOf(tenant)).toEqual([
      row({ key_id: keyId, operation: "story_write", provider: "ai-service", model: "qwen", ...tokens }),
    ]);
  });

  it("has those of vectors", async () => {
    const { keyId, entries } = await writtenOf(() => Response.json(embeddingList([[1, 2]])), {
      model: "text-embedding-3-small",
      input: "问",
    });
    const tokens = { prompt: 5, completion: 0, total: 5 };
    expect(entries).toEqual([row({ key_id: keyId, operation: "embed", model: "embedding-upstream", ...tokens })]);
  });

  it("is estimated, and says so, where nobody has counted", async () => {
    const none = completion("四个汉字 and some", { usage: undefined });
    const { entries } = await writtenOf(() => Response.json(none), question("问问 what is it"));
    // A character of a wide script is a token, and so are four others. A prompt is taken for half as much again, and its form.
    const tokens = { prompt: 32, completion: 7, total: 39, estimated: 1 };
    expect(entries).toEqual([expect.objectContaining(tokens)]);
  });

  it("names the provider's request and the caller's", async () => {
    let asked: string | null = null;
    const network = new Hono().post(chat, (c) => {
      asked = c.req.header("x-request-id") ?? null;
      return c.json(completion("好"));
    });
    const { post, auth, tenant } = await appWithLedger({ network, settings: onlyOpenAi });
    const beforeMs = Date.now();
    await post(chat, question(), { ...auth, "x-request-id": "mine" });
    const [found] = await rowsOf(tenant);
    expect(found).toMatchObject({ request_id: "mine", upstream_request_id: asked });
    expect(found?.at).toBeGreaterThanOrEqual(beforeMs);
  });

  it("has nothing of what was asked and answered", async () => {
    const network = new Hono().post(chat, (c) => c.json(completion("SECRET-ANSWER")));
    const { post, auth, tenant } = await appWithLedger({ network, settings: onlyOpenAi });
    await post(chat, { ...question("SECRET-PROMPT"), user: "SECRET-USER" }, auth);
    const rows = await rowsOf(tenant);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("SECRET");
  });
});

describe("what an entry costs", () => {
  const gpt = { input: 2.5, output: "10", currency: "USD" };
  const cases: [string, object, Record<string, unknown>][] = [
    ["of an unknown model is not known, and not nothing", { "claude-*": gpt }, row()],
    // 500 * 2.5 + 1500 * 1.25 + 300 * 10 millionths.
    ["counts what was cached apart", { "gpt-*": { ...gpt, cachedInput: 1.25 } }, { micros: 6_125, picos: 0 }],
    ["takes what was cached as the rest without a price of its own", { "gpt-*": gpt }, { micros: 8_000, picos: 0 }],
    [
      "is exact to the last decimal",
      { "gpt-*": { input: "0.000001", output: "0.000003", cachedInput: 0, currency: "CNY" } },
      { currency: "CNY", micros: 0, picos: 1_400 },
    ],
    [
      "is by the model's own name before any pattern, and by the pattern that says more",
      {
        "*": { ...gpt, currency: "AAA" },
        "gpt-*": { ...gpt, currency: "BBB" },
        "gpt-upstream": { ...gpt, currency: "CCC" },
      },
      { currency: "CCC" },
    ],
    [
      "is by the pattern that says more",
      { "*": { ...gpt, currency: "AAA" }, "gpt-*": { ...gpt, currency: "BBB" } },
      { currency: "BBB" },
    ],
    ["may be nothing", { "gpt-*": { input: 0, output: 0, currency: "USD" } }, { micros: 0, picos: 0, currency: "USD" }],
  ];
  it.each(cases)("%s", async (_, table, expected) => {
    const usage = expected.currency === null ? undefined : details;
    const { keyId, entries } = await writtenOf(
      () => Response.json(completion("好", usage && { usage })),
      question(),
      prices(table),
    );
    expect(entries).toEqual([
      expect.objectContaining({ currency: "USD", ...expected, ...("user" in expected && { key_id: keyId }) }),
    ]);
  });

  it("is not known of a total whose parts have two prices, and is where they have one", async () => {
    const answer = toBinary(
      GenerateContentResponseSchema,
      create(GenerateContentResponseSchema, { content: "好", model: "qwen", tokensUsed: 1_000 }),
    );
    const network = new Hono().post("/qingyu.ai.AIService/GenerateContent", (c) =>
      c.body(new Uint8Array(answer), 200, { "content-type": "application/proto" }),
    );
    const costs = [3, 2].map(async (output) => {
      const settings = {
        ...{ AI_PROVIDERS: "ai-service", PYTHON_AI_SERVICE_URL: "https://ai.test" },
        ...prices({ qwen: { input: 2, output, currency: "CNY" } }),
      };
      const { post, auth, tenant } = await appWithLedger({ network, settings });
      await post(chat, question(), auth);
      return (await entriesOf(tenant)).map(({ micros }) => micros);
    });
    expect(await Promise.all(costs)).toEqual([[null], [2_000]]);
  });
});

describe("what is counted once", () => {
  it("is one call to a provider, for those who get its answer from the cache or under its key", async () => {
    const { network, seen } = fakeOpenAi();
    const { post, auth, tenant, keyId } = await appWithLedger({
      network,
      settings: { ...onlyOpenAi, ...prices({ "gpt-*": { input: 1, output: 1, currency: "USD" } }) },
    });
    const body = question();
    const key = { ...auth, "idempotency-key": crypto.randomUUID() };
    await post(chat, body, key);
    await post(chat, body, auth);
    await post(chat, { ...body, stream: true }, auth);
    await post(chat, body, key);
    expect(seen).toHaveLength(1);
    expect(await entriesOf(tenant)).toEqual([
      row({ key_id: keyId, currency: "USD", micros: 18, picos: 0 }),
      row({ key_id: keyId, source: "cache" }),
      row({ key_id: keyId, source: "cache" }),
      row({ key_id: keyId, source: "replay" }),
    ]);
  });

  it.each([true, false])("is one call that several share, streamed: %s", async (stream) => {
    const bothHaveLooked = Promise.withResolvers<void>();
    let reads = 0;
    const kv = new Proxy(env.CACHE, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : async (key: string) => {
              if (key.startsWith("generate:") && ++reads === 2) bothHaveLooked.resolve();
              return null;
            },
    });
    const network = new Hono().use(async (_, next) => {
      await bothHaveLooked.promise;
      await next();
    });
    network.route("/", fakeOpenAi().network);
    const settings = { ...onlyOpenAi, QINGYU_CACHE_READ_TIMEOUT_MS: "10000" };
    const { post, auth, tenant, keyId } = await appWithLedger({ network, kv, settings });
    const body = { ...question(), stream };
    await Promise.all([post(chat, body, auth), post(chat, body, auth)]);
    const entries = await entriesOf(tenant);
    expect(entries).toHaveLength(2);
    expect(entries).toContainEqual(row({ key_id: keyId }));
    expect(entries).toContainEqual(row({ key_id: keyId, source: "shared" }));
  });

  it("is an attempt that answers, and not those that failed before it", async () => {
    let asked = 0;
    const network = new Hono().post(chat, (c) => {
      asked++;
      // It has cost something, and nothing of it is handed out.
      if (asked === 1) return c.json(completion("", { usage: details }));
      return asked === 2 ? c.json({}, 503) : c.json(completion("好"));
    });
    const providers = ["one", "two"].map((name) => ({ name, type: "openai", baseUrl: `https://${name}.test/v1` }));
    const { post, auth, tenant, keyId } = await appWithLedger({
      network,
      settings: { AI_PROVIDERS: JSON.stringify(providers) },
    });
    await post(chat, question(), auth);
    expect(asked).toBe(3);
    expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId, provider: "two" })]);
  });

  it("is the faster one of two that are asked at once", async () => {
    const never = Promise.withResolvers<Response>();
    const network = new Hono().post(chat, async (c) =>
      new URL(c.req.url).host === "one.test" ? await never.promise : c.json(completion("好")),
    );
    const providers = ["one", "two"].map((name) => ({ name, type: "openai", baseUrl: `https://${name}.test/v1` }));
    const { post, auth, tenant, keyId } = await appWithLedger({
      network,
      settings: {
        ...{ AI_PROVIDERS: JSON.stringify(providers) },
        ...{ QINGYU_HEDGE_AFTER_MS: "1", QINGYU_HEDGE_MAX_PERCENT: "100" },
      },
    });
    const asked = post(chat, question(), auth);
    expect((await asked).headers.get("x-qingyu-attempts")).toBe("one:superseded, two:ok");
    expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId, provider: "two" })]);
  });

  it("is nothing where nobody answers", async () => {
    const { entries, sent } = await writtenOf(() => Response.json({}, { status: 500 }));
    expect([sent.status, entries]).toEqual([503, []]);
  });
});

describe("a stream that is not whole", () => {
  it("is charged for what was handed out before it broke", async () => {
    const { keyId, entries } = await writtenOf(() => streamed(completionChunk({ content: "青羽" })), {
      ...question("四个汉字"),
      stream: true,
    });
    const tokens = { prompt: 30, completion: 2, total: 32 };
    expect(entries).toEqual([row({ key_id: keyId, outcome: "failed", estimated: 1, ...tokens })]);
  });

  it("is not charged where it was held back", async () => {
    const network = new Hono().post(chat, () => streamed(completionChunk({ content: "青羽" })));
    const { post, auth, tenant } = await appWithLedger({ network, settings: onlyOpenAi });
    const sent = await post(chat, { ...question(), stream: true }, { ...auth, "x-qingyu-delivery": "atomic" });
    expect([sent.status, await entriesOf(tenant)]).toEqual([502, []]);
  });

  const leavers = ["live", "atomic"].flatMap((delivery) => [false, true].map((isCounted) => ({ delivery, isCounted })));
  it.each(leavers)(
    "is charged for what had come when its caller left: $delivery, counted by the provider: $isCounted",
    async ({ delivery, isCounted }) => {
      const hasCome = Promise.withResolvers<void>();
      const usage = { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 };
      const data = event(completionChunk({ content: "青羽" }, null, isCounted ? { usage } : {}));
      const network = new Hono().post(
        chat,
        (c) =>
          new Response(
            new ReadableStream<Uint8Array>({
              start(controller) {
                controller.enqueue(new TextEncoder().encode(data));
                c.req.raw.signal.addEventListener("abort", () => controller.error(new Error("aborted")));
              },
              // Asked for more, so what there was has been taken.
              pull: () => hasCome.resolve(),
            }),
            { headers: { "content-type": "text/event-stream" } },
          ),
      );
      const { app, auth, tenant, keyId } = await appWithLedger({ network, settings: onlyOpenAi });
      const caller = new AbortController();
      const request = new Request(`http://localhost${chat}`, {
        method: "POST",
        body: JSON.stringify({ ...question("四个汉字"), stream: true }),
        headers: { ...auth, "content-type": "application/json", "x-qingyu-delivery": delivery },
        signal: caller.signal,
      });
      await keepingLog(async () => {
        const context = createExecutionContext();
        const answering = Promise.resolve(app.fetch(request, env, context));
        const reader = delivery === "live" ? (await answering).body?.getReader() : undefined;
        await reader?.read();
        await hasCome.promise;
        // Until what has come has been counted.
        await new Promise((resolve) => setTimeout(resolve, 0));
        caller.abort();
        await reader?.cancel();
        await answering;
        await waitOnExecutionContext(context);
      });
      const tokens = isCounted ? { completion: 2, total: 13 } : { prompt: 30, completion: 2, total: 32, estimated: 1 };
      expect(await entriesOf(tenant)).toEqual([row({ key_id: keyId, outcome: "left", ...tokens })]);
    },
  );

  it("of a text in parts is charged for those that had been worked on when its caller left", async () => {
    const hasCome = Promise.withResolvers<void>();
    let asked = 0;
    const network = new Hono().post(chat, async (c) => {
      if (++asked === 1) return c.json(completion('{"issues":[]}'));
      hasCome.resolve();
      await new Promise((resolve) => c.req.raw.signal.addEventListener("abort", resolve));
      return c.text("nobody is there", 500);
    });
    const { app, auth, tenant, keyId } = await appWithLedger({ network, settings: onlyOpenAi });
    const caller = new AbortController();
    const request = new Request("http://localhost/api/v1/ai/writing/proofread", {
      method: "POST",
      body: JSON.stringify({ content: `${"雨".repeat(2_999)}。夜雨` }),
      headers: { ...auth, "content-type": "application/json" },
      signal: caller.signal,
    });
    await keepingLog(async () => {
      const context = createExecutionContext();
      const answering = Promise.resolve(app.fetch(request, env, context));
      await hasCome.promise;
      // Until the first answer has been read.
      await new Promise((resolve) => setTimeout(resolve, 20));
      caller.abort();
      await answering;
      await waitOnExecutionContext(context);
    });
    expect(await entriesOf(tenant)).toMatchObject([{ key_id: keyId, outcome: "left", estimated: 0, total: 18 }]);
  });

  it("is charged once and whole to him who began it, where others read on", async () => {
    const go = Promise.withResolvers<void>();
    const encoder = new TextEncoder();
    const network = new Hono().post(
      chat,
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            async start(controller) {
              controller.enqueue(encoder.encode(event(completionChunk({ content: "青" }))));
              await go.promise;
              const rest = [completionChunk({ content: "羽" }), completionChunk({}, "stop"), usageChunk(), "[DONE]"];
              controller.enqueue(encoder.encode(rest.map(event).join("")));
              controller.close();
            },
          }),
          { headers: { "content-type": "text/event-stream" } },
        ),
    );
    const { app, auth, tenant, keyId } = await appWithLedger({ network, settings: onlyOpenAi });
    const body = { ...question(), stream: true };
    const open = async (context: ExecutionContext) => {
      const request = new Request(`http://localhost${chat}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { ...auth, "content-type": "application/json" },
      });
      const response = await app.fetch(request, env, context);
      const reader = response.body?.getReader();
      await reader?.read();
      return reader;
    };
    await keepingLog(async () => {
      const [one, two] = [createExecutionContext(), createExecutionContext()];
      const leaver = await open(one);
      // It has what came so far, so it has joined.
      const other = await open(two);
      await leaver?.cancel();
      go.resolve();
      while (!(await other?.read())?.done);
      await waitOnExecutionContext(one);
      await waitOnExecutionContext(two);
    });
    const entries = await entriesOf(tenant);
    expect(entries).toHaveLength(2);
    expect(entries).toContainEqual(row({ key_id: keyId }));
    expect(entries).toContainEqual(row({ key_id: keyId, source: "shared" }));
  });
});
