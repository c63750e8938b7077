import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { streamOf } from "../src/collect.ts";
import { GenerateContentRequestSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import type { Gateway } from "../src/upstream.ts";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { keepingLog } from "./support/log.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { completionChunk, event } from "./upstreams/openai-answers.ts";

const forms = surfaces.flatMap((surface) => [
  { surface, stream: false },
  { surface, stream: true },
]);

describe("what is written down of an answer", () => {
  it.each(forms)("is the same wherever it came from: $surface, streamed: $stream", async ({ surface, stream }) => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    const ask = async (headers: Record<string, string>) => {
      const { path, init } = requestTo(surface, stream, `record ${surface} ${stream}`);
      const answer = await app.send(path, { ...init, headers: { ...init.headers, ...headers } });
      const bytes = new TextEncoder().encode(answer.text).byteLength;
      return { bytes, lines: answer.log.map((line) => JSON.parse(line)) };
    };
    const answers = [
      { how: await ask({ "idempotency-key": `key ${surface} ${stream}`.replaceAll(" ", "-") }), cached: false },
      { how: await ask({}), cached: true },
      { how: await ask({ "idempotency-key": `key ${surface} ${stream}`.replaceAll(" ", "-") }), cached: true },
    ];
    for (const { how, cached } of answers) {
      expect(how.lines).toEqual([
        expect.objectContaining({
          operation: "generate",
          provider: "openai",
          model: "gpt-upstream",
          finishReason: "stop",
          usage: { promptTokens: 11, completionTokens: 7, totalTokens: 18, cached },
          status: 200,
          stream,
          responseBytes: how.bytes,
        }),
      ]);
      expect(how.lines[0]).not.toHaveProperty("error");
    }
    expect(seen).toHaveLength(1);
  });

  it("does not take a large answer for a stream", async () => {
    const input = Array.from({ length: 2000 }, (_, index) => `text ${index}`);
    const app = testApp({ network: fakeOpenAi().network });
    const { log, text } = await app.post("/v1/embeddings", { model: "text-embedding-3-small", input });
    expect(text.length).toBeGreaterThan(64 * 1024);
    expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ operation: "embed", status: 200, stream: false });
  });

  it.each(surfaces)("says that a stream was wanted, also where none came: %s", async (surface) => {
    const network = new Hono().post("/v1/chat/completions", (c) => c.json({}, 500));
    const { path, init } = requestTo(surface, true, "fails at once");
    const { log } = await testApp({ network }).send(path, init);
    expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ error: "upstream_unavailable", stream: true });
  });

  it.each(surfaces)("names the model that was asked for where nobody answered: %s", async (surface) => {
    const network = new Hono().post("/v1/chat/completions", (c) => c.json({}, 500));
    const { path, init } = requestTo(surface, false, "fails");
    const { log } = await testApp({ network }).send(path, init);
    expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({
      operation: "generate",
      model: "asked",
      error: "upstream_unavailable",
    });
  });
});

/** An event that says what it has cost so far, as vLLM's `continuous_usage_stats` do. */
const costly = event(
  completionChunk({ content: "青" }, null, { usage: { prompt_tokens: 11, completion_tokens: 1, total_tokens: 12 } }),
);

const bytes = new TextEncoder().encode(costly);
const upstreams: Readonly<Record<string, UnderlyingSource<Uint8Array>>> = {
  "a stream that is silent": { start: (controller) => controller.enqueue(bytes) },
  "a stream that is read more slowly than it comes": { pull: (controller) => controller.enqueue(bytes) },
};

const departures = surfaces.flatMap((surface) =>
  Object.entries(upstreams).flatMap(([name, source]) =>
    (["stops reading", "is lost"] as const).map((how) => ({ surface, name, source, how })),
  ),
);

describe("a caller who leaves", () => {
  it.each(departures)("is written down once, with what it cost: $surface, $name, $how", async (departure) => {
    const { surface, source, how } = departure;
    const network = new Hono().post(
      "/v1/chat/completions",
      () =>
        new Response(new ReadableStream<Uint8Array>(source), {
          headers: { "content-type": "text/event-stream" },
        }),
    );
    const { app } = testApp({ network, settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" } });
    const { path, init } = requestTo(surface, true, "leaving");
    const caller = new AbortController();
    const request = new Request(new URL(path, "http://localhost"), { ...init, signal: caller.signal });
    const lines = await keepingLog(async (log) => {
      const context = createExecutionContext();
      const response = await app.fetch(request, env, context);
      const reader = response.body?.getReader();
      expect((await reader?.read())?.done).toBe(false);
      if (how === "is lost") caller.abort();
      await reader?.cancel();
      await waitOnExecutionContext(context);
      return log;
    });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        operation: "generate",
        provider: "openai",
        model: "gpt-upstream",
        usage: { promptTokens: 11, completionTokens: 1, totalTokens: 12, cached: false },
        status: 200,
        stream: true,
        error: "cancelled",
        firstTokenMs: expect.any(Number),
      }),
    ]);
  });
});

describe("a stream that goes wrong after its first token", () => {
  it.each(surfaces)("is written down with who began it and why it failed: %s", async (surface) => {
    const network = new Hono().post("/v1/chat/completions", (c) =>
      c.body(costly, 200, { "content-type": "text/event-stream" }),
    );
    const { path, init } = requestTo(surface, true, "breaks");
    const { log } = await testApp({ network }).send(path, init);
    expect(log.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        provider: "openai",
        model: "gpt-upstream",
        usage: { promptTokens: 11, completionTokens: 1, totalTokens: 12, cached: false },
        attempts: [expect.objectContaining({ outcome: "truncated" })],
        error: "upstream_bad_response",
        status: 200,
        stream: true,
      }),
    ]);
  });
});

describe("a caller who leaves before the first token", () => {
  const cases = surfaces.flatMap((surface) => [true, false].map((stream) => ({ surface, stream })));
  it.each(cases)("is written down once: $surface, streamed: $stream", async ({ surface, stream }) => {
    const silent = upstream("silent");
    const caller = new AbortController();
    const asked = gateway([provider("only", "openai", silent)]).ask({ surface, stream, signal: caller.signal });
    await silent.seen("open");
    caller.abort();
    const { log } = await asked;
    const lines = log.map((line) => JSON.parse(line));
    expect(lines.filter(({ message }) => message === "request")).toEqual([
      expect.objectContaining({
        operation: "generate",
        attempts: [expect.objectContaining({ provider: "only", outcome: "canceled" })],
        error: "cancelled",
      }),
    ]);
  });
});

describe("an answer that a surface cannot write", () => {
  it("is written down, and no longer asked for", async () => {
    // More tokens than the contract's int32 holds, which no provider's reader lets through.
    const usage = { totalTokens: 3e9, split: { promptTokens: 3e9, completionTokens: 0 } };
    const replace = (gateway: Gateway): Gateway => ({
      ...gateway,
      async generate(request, call) {
        const answer = streamOf(await gateway.generate(request, call));
        return { ...answer, read: async () => (await answer.read())?.map((chunk) => ({ ...chunk, usage })) };
      },
    });
    const first = new TextEncoder().encode(event(completionChunk({ content: "青" })));
    let isAborted = false;
    const network = new Hono().post("/v1/chat/completions", ({ req }) => {
      req.raw.signal.addEventListener("abort", () => {
        isAborted = true;
      });
      const endless = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(first) });
      return new Response(endless, { headers: { "content-type": "text/event-stream" } });
    });
    const asked = toBinary(GenerateContentRequestSchema, create(GenerateContentRequestSchema, { prompt: "too much" }));
    const app = testApp({ network, replace, settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" } });
    const { text, log } = await app.send("/qingyu.ai.AIService/StreamGenerateContent", {
      method: "POST",
      headers: { "content-type": "application/connect+proto" },
      body: encodeEnvelope(0, asked),
    });
    expect(text).toContain('"error":{"code":"internal"');
    expect(isAborted).toBe(true);
    expect(log.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ operation: "generate", provider: "openai", stream: true, status: 200 }),
    ]);
  });
});
