import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createInFlight } from "../src/in-flight.ts";
import { fakeOpenAi, onlyOpenAi, sha256Hex, type TestApp, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { keepingLog } from "./support/log.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";
import { completion, event } from "./upstreams/openai-answers.ts";

const mebibyte = 1024 * 1024;
const question = (stream = false) => ({ stream, messages: [{ role: "user", content: crypto.randomUUID() }] });

/** Settings with two tenants, each known by a key of the same name. */
async function twoTenants() {
  const keys = await Promise.all(["one", "two"].map(async (tenant) => `${tenant}:${await sha256Hex(tenant)}`));
  return { ...onlyOpenAi, GATEWAY_API_KEYS: keys.join(",") };
}

const as = (tenant: string) => ({ authorization: `Bearer ${tenant}` });

/** A body takes four times its bytes, and half of 64 MiB is a tenant's: these leave room for 50 KB. */
const nearlyAll = [...Array(7).fill(mebibyte), mebibyte - 100_000];

/** Makes a tenant announce bodies and send nothing of them. What comes back ends them. */
function fill(app: TestApp, tenant: string, bodyBytes: readonly number[] = nearlyAll): () => Promise<unknown> {
  const bodies = bodyBytes.map((bytes) => ({ bytes, ...Promise.withResolvers<void>() }));
  const sent = bodies.map(({ bytes, promise }) =>
    app.send("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": String(bytes), ...as(tenant) },
      body: new ReadableStream({ pull: (controller) => promise.then(() => controller.close()) }),
    }),
  );
  return () => {
    for (const { resolve } of bodies) resolve();
    return Promise.all(sent);
  };
}

describe("a tenant whose requests hold as much memory as one may", () => {
  it("is refused until some have ended, while others are served", async () => {
    const app = testApp({ settings: await twoTenants(), network: fakeOpenAi().network });
    const end = fill(app, "one");
    expect((await app.post("/v1/chat/completions", question(), as("one"))).status).toBe(200);
    const refused = await app.post("/v1/chat/completions", "x".repeat(mebibyte - 1), as("one"));
    expect([refused.status, at(refused.json(), "error", "code")]).toEqual([503, "overloaded"]);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(JSON.parse(refused.log.at(-1) ?? "")).toMatchObject({ status: 503, error: "overloaded" });
    expect((await app.post("/v1/chat/completions", question(), as("two"))).status).toBe(200);
    await end();
    expect((await app.post("/v1/chat/completions", question(), as("one"))).status).toBe(200);
  });

  it.each(surfaces)("is told so in the surface's own words: %s", async (surface) => {
    const app = testApp({ settings: await twoTenants(), network: fakeOpenAi().network });
    const end = fill(app, "one");
    const { path, init } = requestTo(surface, false, "x".repeat(200_000));
    const headers = { ...Object.fromEntries(new Headers(init.headers)), ...as("one"), "content-length": "200100" };
    const refused = await app.send(path, { ...init, headers });
    const told = { openai: ["error", "code"], qingyu: ["error"], connect: ["code"] }[surface];
    expect([refused.status, at(refused.json(), ...told)]).toEqual([
      503,
      surface === "connect" ? "unavailable" : "overloaded",
    ]);
    await end();
  });

  it("gets no long answer, for which no provider is blamed, but a short one", async () => {
    let answer = "x".repeat(2 * mebibyte);
    const network = new Hono().post("*", (c) => c.json(completion(answer)));
    const app = testApp({ settings: await twoTenants(), network });
    const end = fill(app, "one");
    for (let asked = 0; asked < 6; asked++) {
      const refused = await app.post("/v1/chat/completions", question(), as("one"));
      expect([refused.status, at(refused.json(), "error", "code")]).toEqual([503, "overloaded"]);
      expect(refused.headers.get("x-qingyu-attempts")).toBe("openai:overloaded");
    }
    answer = "short";
    expect((await app.post("/v1/chat/completions", question(), as("one"))).status).toBe(200);
    await end();
  });

  it("is told its streams to the end, which are not held for anybody else then", async () => {
    let calls = 0;
    const network = new Hono().post("*", () => {
      calls++;
      const delta = (content: string, finish_reason: string | null = null) =>
        event({ choices: [{ index: 0, delta: { content }, finish_reason }] });
      const events = [...Array.from({ length: 100 }, () => delta("~".repeat(10_000))), delta("", "stop")];
      let next = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const event = events[next++];
          if (event === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(event));
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    const app = testApp({ settings: await twoTenants(), network });
    const [end, asked] = [fill(app, "one"), question(true)];
    for (const expected of [1, 2]) {
      const { text } = await app.post("/v1/chat/completions", asked, as("one"));
      expect([text.split("~").length - 1, text.includes("[DONE]"), calls]).toEqual([1_000_000, true, expected]);
    }
    await end();
  });
});

it("a caller who does not read his answer in twice the time that a request may take gets no more of it", async () => {
  const network = new Hono().post("*", (c) => c.json(completion("x".repeat(mebibyte))));
  const { app } = testApp({ network, settings: { ...onlyOpenAi, QINGYU_DEADLINES_REQUEST_MS: "400" } });
  await keepingLog(async (log) => {
    const context = createExecutionContext();
    const { path, init } = requestTo("openai", false, crypto.randomUUID());
    const { body } = await app.fetch(new Request(`http://localhost${path}`, init), env, context);
    const reader = body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await waitOnExecutionContext(context);
    expect(JSON.parse(log.at(-1) ?? "")).toMatchObject({ error: "read_too_slowly" });
    await expect(reader?.read()).rejects.toThrow("too slowly");
  });
});

describe("memory in flight", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: 0 }));
  afterEach(() => void vi.useRealTimers());

  const limits = { maxBytes: 100, maxTenantBytes: 50 };
  const inAMinute = 60_000;

  it("is at most so much for a tenant, and so much for all", () => {
    const memory = createInFlight(limits);
    const [first, second] = [memory.open("a", inAMinute), memory.open("a", inAMinute)];
    first.take(30);
    expect(() => second.take(21)).toThrow(expect.objectContaining({ code: "overloaded" }));
    second.take(20);
    expect(memory.open("b", inAMinute).mayTake(50)).toBe(true);
    expect(memory.open("c", inAMinute).mayTake(1)).toBe(false);
    first.take(-10);
    expect([second.mayTake(11), second.mayTake(10)]).toEqual([false, true]);
    first.release();
    first.release();
    expect([second.mayTake(21), second.mayTake(20)]).toEqual([false, true]);
  });

  it("counts once what several requests hold, until the last one gives it back", () => {
    const memory = createInFlight(limits);
    const [first, second, other] = [0, 1, 2].map(() => memory.open("a", inAMinute));
    const answer = {};
    for (const share of [first, second]) share?.takeShared(answer, 40);
    first?.release();
    expect(other?.mayTake(11)).toBe(false);
    second?.release();
    expect(other?.mayTake(50)).toBe(true);
  });

  it("is free again when its time is over, where the runtime ended a request without a word", () => {
    const memory = createInFlight(limits);
    const lost = memory.open("a", inAMinute);
    lost.take(20);
    lost.takeShared({}, 30);
    const share = memory.open("a", 2 * inAMinute);
    expect(share.mayTake(1)).toBe(false);
    vi.setSystemTime(inAMinute);
    expect(share.mayTake(50)).toBe(true);
    // What it does after that is not counted any more.
    lost.take(1_000);
    lost.release();
    expect(share.mayTake(1)).toBe(false);
  });
});
