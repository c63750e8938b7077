import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { keepingLog } from "./support/log.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";

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
const event = `data: ${JSON.stringify({
  model: "gpt-upstream",
  choices: [{ index: 0, delta: { content: "青" }, finish_reason: null }],
  usage: { prompt_tokens: 11, completion_tokens: 1, total_tokens: 12 },
})}\n\n`;

const bytes = new TextEncoder().encode(event);
const upstreams: Readonly<Record<string, UnderlyingSource<Uint8Array>>> = {
  "a stream that is silent": { start: (controller) => controller.enqueue(bytes) },
  "a stream that is read more slowly than it comes": { pull: (controller) => controller.enqueue(bytes) },
};

const departures = surfaces.flatMap((surface) =>
  Object.entries(upstreams).flatMap(([upstream, source]) =>
    (["stops reading", "is lost"] as const).map((how) => ({ surface, upstream, source, how })),
  ),
);

describe("a caller who leaves", () => {
  it.each(departures)("is written down once, with what it cost: $surface, $upstream, $how", async (departure) => {
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
    const request = new Request(new URL(path, "http://gateway.test"), { ...init, signal: caller.signal });
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
