import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";

/** An upstream whose stream the test writes, and the reader of what the gateway makes of it. */
async function open(surface: (typeof surfaces)[number], batchMs: number) {
  const { promise, resolve } = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  const body = new ReadableStream<Uint8Array>({ start: resolve });
  const upstream = await promise;
  const token = (content: string, finish_reason: string | null = null) => {
    const event = { model: "gpt-upstream", choices: [{ index: 0, delta: { content }, finish_reason }] };
    upstream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
  };
  let signal = new AbortController().signal;
  const network = new Hono().post("/v1/chat/completions", (c) => {
    signal = c.req.raw.signal;
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const settings = { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false", QINGYU_STREAM_BATCH_MS: String(batchMs) };
  const { app } = testApp({ network, settings });
  const { path, init } = requestTo(surface, true, "batches");
  const asking = app.fetch(new Request(new URL(path, "http://localhost"), init), env, createExecutionContext());
  token("1");
  const reader = (await asking).body?.getReader();
  if (!reader) throw new Error("no body");
  const decoder = new TextDecoder();
  const read = async () => decoder.decode((await reader.read()).value);
  return { token, read, reader, upstream, upstreamSignal: () => signal };
}

/** Longer than any of these tests takes, unless it waits for a batch's end. */
const longMs = 1_000;

describe.each(surfaces)("stream.batch_ms, seen from %s", (surface) => {
  it("lets the tokens leave together that come within it, and the first one at once", async () => {
    const sinceMs = Date.now();
    const { token, read } = await open(surface, 300);
    expect(await read()).toContain('"1"');
    expect(Date.now() - sinceMs).toBeLessThan(300);
    token("2");
    token("3");
    token("4");
    const batch = await read();
    expect(["2", "3", "4"].filter((text) => batch.includes(`"${text}"`))).toEqual(["2", "3", "4"]);
    expect(Date.now() - sinceMs).toBeGreaterThanOrEqual(300);
  });

  it("holds up neither an end nor an error", async () => {
    for (const how of ["end", "error"]) {
      const sinceMs = Date.now();
      const { token, read, reader, upstream } = await open(surface, longMs);
      await read();
      token("2", how === "end" ? "stop" : null);
      // Without a finish reason the stream is broken off.
      upstream.close();
      const rest = await read();
      expect(rest).toContain('"2"');
      expect(rest.includes("error")).toBe(how === "error");
      const end = reader.read();
      if (how === "end" || surface === "connect") expect((await end).done).toBe(true);
      else await expect(end).rejects.toThrow("has failed");
      expect(Date.now() - sinceMs).toBeLessThan(longMs);
    }
  });

  it("ends the call of a caller who leaves meanwhile", async () => {
    const sinceMs = Date.now();
    const { token, read, reader, upstreamSignal } = await open(surface, longMs);
    await read();
    token("2");
    expect(upstreamSignal().aborted).toBe(false);
    await reader.cancel();
    expect(upstreamSignal().aborted).toBe(true);
    expect(Date.now() - sinceMs).toBeLessThan(longMs);
  });
});

it("lets a token that comes alone leave at once where it is 0", async () => {
  const { token, read } = await open("openai", 0);
  await read();
  token("2");
  expect(await read()).toContain('"2"');
});
