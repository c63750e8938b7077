import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { at } from "./support/json.ts";
import { limitedScene, tokensEach } from "./support/limits.ts";
import { keepingLog } from "./support/log.ts";
import { completion, completionChunk, event } from "./upstreams/openai-answers.ts";

const statusesOf = (answers: readonly { readonly status: number }[]) => Map.groupBy(answers, ({ status }) => status);
const requestLine = (log: readonly string[]): unknown =>
  log.map((line): unknown => JSON.parse(line)).find((line) => at(line, "message") === "request");

/** A provider that streams so many pieces and then says nothing more. */
const unfinished = (pieces: number) =>
  new Hono().post("*", (c) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const bytes = new TextEncoder().encode(event(completionChunk({ content: "羽" })));
        for (let piece = 0; piece < pieces; piece++) controller.enqueue(bytes);
        c.req.raw.signal.addEventListener("abort", () => controller.error(new Error("left")));
      },
    });
    return c.body(body, 200, { "content-type": "text/event-stream" });
  });

afterEach(() => void vi.useRealTimers());

describe("tokens of a day", () => {
  it("are what the provider says that answers took, plain and streamed", async () => {
    const { ask, used } = limitedScene({ tokensPerDay: 1_000 });
    await ask("a");
    await ask("b", { stream: true });
    expect(await used()).toBe(2 * tokensEach);
  });

  it.each([{}, { max_tokens: 7 }])("let no more of 200 in at once than there is room for, with %o", async (more) => {
    const { ask, used } = limitedScene({ tokensPerDay: 10 * tokensEach });
    const answers = statusesOf(await Promise.all(Array.from({ length: 200 }, (_, each) => ask(`${each}`, more))));
    const admitted = answers.get(200)?.length ?? 0;
    expect(admitted).toBeGreaterThan(0);
    expect(admitted).toBeLessThanOrEqual(10);
    expect(answers.get(429)?.length).toBe(200 - admitted);
    expect(await used()).toBe(admitted * tokensEach);
  });

  it("refuse what may take more than is left, and say how much that is", async () => {
    const { ask, used } = limitedScene({ tokensPerDay: 100 });
    const { status, json, headers } = await ask("a", { max_tokens: 500 });
    expect([status, json()]).toMatchObject([
      429,
      {
        error: {
          message: "Your quota does not suffice: 100 tokens are left, and this request may take more (max_tokens).",
          type: "insufficient_quota",
          code: "insufficient_quota",
        },
      },
    ]);
    expect(headers.get("x-should-retry")).toBe("false");
    expect(headers.get("x-ratelimit-remaining-tokens")).toBe("100");
    expect(await used()).toBe(0);
  });

  it("are not spent where the provider failed", async () => {
    const { ask, used, account } = limitedScene({ tokensPerDay: 1_000 }, { network: new Hono() });
    expect((await ask("a")).status).toBe(502);
    expect(await used()).toBe(0);
    expect(await account.reserve("probe", { ...anyAsk, tokens: 1_000 })).toHaveProperty("held");
  });

  it("are spent once for a cached answer, and by nobody who got it", async () => {
    const { ask, used } = limitedScene({ tokensPerDay: 1_000 });
    const [first, second] = [await ask("same"), await ask("same")];
    expect([first.headers.get("x-cache"), second.headers.get("x-cache")]).toEqual(["MISS", "HIT"]);
    expect(await used()).toBe(tokensEach);
  });

  it("are spent once where several share a call", async () => {
    const { ask, used } = limitedScene({ tokensPerDay: 100_000 });
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask("same", { stream: true })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await used()).toBe(tokensEach);
  });

  it("are spent once under an idempotency key", async () => {
    const { ask, used } = limitedScene({ tokensPerDay: 100_000 });
    const headers = { "idempotency-key": crypto.randomUUID(), "cache-control": "no-store" };
    await Promise.all(Array.from({ length: 3 }, () => ask("same", {}, headers)));
    await ask("same", {}, headers);
    expect(await used()).toBe(tokensEach);
  });

  it("are spent by whose stale answer is refreshed behind it", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ask, used } = limitedScene({ tokensPerDay: 100_000 });
    await ask("same");
    vi.setSystemTime(Date.now() + 3_605_000);
    const { headers } = await ask("same", {}, { "cache-control": "stale-while-revalidate" });
    expect(headers.get("x-cache")).toBe("STALE");
    expect(await used()).toBe(2 * tokensEach);
  });

  it("are estimated where the provider does not say them, and marked so", async () => {
    const { usage: _, ...answer } = completion("一二三四五六七八");
    const network = new Hono().post("*", (c) => c.json(answer));
    const { ask, used } = limitedScene({ tokensPerDay: 100_000 }, { network });
    const { log } = await ask("abcdefgh");
    const tokens = at(requestLine(log), "estimatedTokens");
    expect(tokens).toBe(8 + 3 + 24);
    expect(await used()).toBe(tokens);
  });

  it("are what had come where the caller leaves a stream", async () => {
    const { app, request, used } = limitedScene({ tokensPerDay: 100_000 }, { network: unfinished(5) });
    const line = await keepingLog(async (log) => {
      const context = createExecutionContext();
      const response = await app.fetch(request("ab", { stream: true }), env, context);
      const reader = response.body?.getReader();
      await reader?.read();
      await reader?.cancel();
      await waitOnExecutionContext(context);
      return requestLine(log);
    });
    expect(line).toMatchObject({ error: "cancelled", estimatedTokens: 5 + 1 + 24 });
    expect(await used()).toBe(5 + 1 + 24);
  });
});

const anyAsk = { policy: { tokensPerDay: 1_000 }, tokens: 0, isGuess: false, cost: 0, endsMs: Date.now() + 60_000 };

describe("requests per minute", () => {
  it("are let in to the last, and one more is told when to come back", async () => {
    const { ask } = limitedScene({ requestsPerMinute: 3 });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, each) => ask(`${each}`)));
    const byStatus = statusesOf(answers);
    expect([byStatus.get(200)?.length, byStatus.get(429)?.length]).toEqual([3, 17]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.json()).toMatchObject({ error: { type: "rate_limit_exceeded", code: "rate_limit_exceeded" } });
    expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(50);
    expect(refused?.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  });
});

describe("requests at the same time", () => {
  it("are let in as soon as another has ended, however it ended", async () => {
    const held = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const network = new Hono().post("*", async (c) => {
      asked.resolve();
      await held.promise;
      return c.json(completion("羽"));
    });
    const { ask } = limitedScene({ concurrent: 1 }, { network });
    const first = ask("a");
    await asked.promise;
    const refused = await ask("b");
    expect([refused.status, at(refused.json(), "error", "code")]).toEqual([429, "rate_limit_exceeded"]);
    held.resolve();
    expect((await first).status).toBe(200);
    expect((await ask("c")).status).toBe(200);
  });
});

describe("models", () => {
  it("that a policy does not name are nobody's, in the list too", async () => {
    const { ask, send } = limitedScene({ models: ["gpt-4o"] }, { settings: { QINGYU_AI_MODELS: "gpt-4o,gpt-5" } });
    expect((await ask("a")).status).toBe(200);
    const refused = await ask("a", { model: "gpt-5" });
    expect([refused.status, at(refused.json(), "error", "code")]).toEqual([404, "model_not_found"]);
    expect((await ask("a", { model: undefined })).status).toBe(404);
    expect((await send("/v1/models")).json()).toMatchObject({ data: [{ id: "gpt-4o" }] });
    expect((await send("/v1/models/gpt-5")).status).toBe(404);
  });

  it("take no question to an account", async () => {
    const accounts = new Proxy(env.ACCOUNTS, {
      get() {
        throw new Error("asked");
      },
    });
    const { ask } = limitedScene({ models: ["gpt-*"] }, { accounts });
    expect((await ask("a")).status).toBe(200);
  });
});

describe("what is told", () => {
  it("stands on every answer and in the log", async () => {
    const { ask } = limitedScene({ requestsPerMinute: 5, tokensPerDay: 100_000 });
    const { headers, log } = await ask("a", { max_tokens: 7 });
    expect(headers.get("x-ratelimit-limit-requests")).toBe("5");
    expect(headers.get("x-ratelimit-remaining-requests")).toBe("4");
    expect(headers.get("x-ratelimit-reset-requests")).toMatch(/^1m[01]s$/);
    expect(headers.get("x-ratelimit-limit-tokens")).toBe("100000");
    expect(Number(headers.get("x-ratelimit-remaining-tokens"))).toBeLessThan(100_000 - 7);
    expect(headers.get("x-ratelimit-reset-tokens")).toMatch(/^(\d+h\d+m|\d+m)?\d+s$/);
    expect(requestLine(log)).toMatchObject({
      limits: { requests: { limit: 5, remaining: 4 }, tokens: { limit: 100_000 } },
    });
  });

  it("is silent of limits that there are not", async () => {
    const { ask } = limitedScene({ requestsPerMinute: 5 });
    const { headers } = await ask("a");
    expect([...headers.keys()].filter((name) => name.startsWith("x-ratelimit")).length).toBe(3);
  });
});

describe("a gate before the accounts", () => {
  const gate = (limit: (key: string) => boolean): RateLimit => ({
    limit: async ({ key }) => ({ success: limit(key) }),
  });

  it("stops a flood of one account", async () => {
    const keys: string[] = [];
    const floodGate = gate((key) => keys.push(key) < 2);
    const { ask, tenant } = limitedScene({ requestsPerMinute: 5 }, { floodGate });
    expect((await ask("a")).status).toBe(200);
    const { status, headers } = await ask("a");
    expect([status, headers.get("retry-after"), headers.get("x-ratelimit-limit-requests")]).toEqual([429, "1", null]);
    expect(keys).toEqual([`["${tenant}"]`, `["${tenant}"]`]);
  });

  it("stops nobody where it fails", async () => {
    const floodGate: RateLimit = { limit: () => Promise.reject(new Error("gate")) };
    expect((await limitedScene({ requestsPerMinute: 5 }, { floodGate }).ask("a")).status).toBe(200);
  });
});
