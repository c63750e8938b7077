import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { fakeOpenAi, onlyOpenAi, sha256Hex, type TestApp, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway, type Surface } from "./support/worker-on-sockets.ts";
import { completion } from "./upstreams/openai-answers.ts";
import { goodText, noise } from "./upstreams/texts.ts";

const path = "/v1/chat/completions";
const body = (content: string, more: Record<string, unknown> = {}) => ({
  messages: [{ role: "user", content }],
  ...more,
});
/** A key of its own for each test, since the store outlives them. */
const newKey = () => crypto.randomUUID();
const under = (key: string, more: Record<string, string> = {}) => ({ "idempotency-key": key, ...more });

/** An upstream that counts, and answers each time something else. */
function counting() {
  let calls = 0;
  const network = new Hono().post("/v1/chat/completions", (c) => c.json(completion(`answer ${++calls}`)));
  return { network, calls: () => calls };
}

const contentOf = (answer: { json: () => unknown }) => at(answer.json(), "choices", 0, "message", "content");
const replayed = (answer: { headers: Headers }) => answer.headers.get("idempotent-replayed");

describe("the same idempotency key", () => {
  it("gives the same answer again, from one upstream call, also where the cache may not", async () => {
    const { network, calls } = counting();
    const app = testApp({ network });
    const headers = under(newKey(), { "cache-control": "no-store" });
    const [first, second] = [await app.post(path, body("一"), headers), await app.post(path, body("一"), headers)];
    expect([contentOf(first), contentOf(second), calls()]).toEqual(["answer 1", "answer 1", 1]);
    expect([replayed(first), replayed(second)]).toEqual([null, "true"]);
    expect(second.headers.get("x-qingyu-provider")).toBe("openai");
    expect(JSON.parse(second.log.at(-1) ?? "")).toMatchObject({ replayed: true, usage: { cached: true } });
    const other = await app.post(path, body("一"), under(newKey(), { "cache-control": "no-store" }));
    expect(contentOf(other)).toBe("answer 2");
  });

  it("serves plain and streamed callers, white space and order aside", async () => {
    const { network, seen } = fakeOpenAi(["青", "羽"]);
    const app = testApp({ network });
    const headers = under(newKey(), { "cache-control": "no-store" });
    await app.post(path, body("二", { stream: true, seed: 1 }), headers);
    const plain = await app.post(path, `{"seed":1,  "messages":[{"content":"二","role":"user"}]}`, headers);
    const streamed = await app.post(path, body("二", { stream: true, seed: 1 }), headers);
    expect([contentOf(plain), seen.length]).toEqual(["青羽", 1]);
    expect(streamed.text).toContain('"content":"青羽"');
    expect(streamed.text).toMatch(/data: \[DONE\]\n\n$/);
  });

  const others = [
    ["another prompt", body("别的")],
    ["another parameter", body("三", { temperature: 0.1 })],
    ["another user", body("三", { user: "u2" })],
    ["a parameter that only the provider knows", body("三", { logit_bias: { "1": 2 } })],
  ] as const;
  it.each(others)("stands for one request: %s is 409", async (_, other) => {
    const { network, calls } = counting();
    const app = testApp({ network });
    const headers = under(newKey(), { "cache-control": "no-store" });
    await app.post(path, body("三"), headers);
    const refused = await app.post(path, other, headers);
    expect([refused.status, at(refused.json(), "error", "code"), at(refused.json(), "error", "param")]).toEqual([
      409,
      "idempotency_key_reused",
      "idempotency-key",
    ]);
    expect([refused.headers.get("x-should-retry"), calls()]).toEqual(["false", 1]);
  });

  it("belongs to its tenant", async () => {
    const { network, calls } = counting();
    const keys = await Promise.all(["one", "two"].map(async (name) => `${name}:${await sha256Hex(name)}`));
    const app = testApp({ network, settings: { ...onlyOpenAi, GATEWAY_API_KEYS: keys.join(",") } });
    const key = newKey();
    const asTenant = async (name: string, content: string) =>
      await app.post(path, body(content), under(key, { authorization: `Bearer ${name}` }));
    expect(contentOf(await asTenant("one", "四"))).toBe("answer 1");
    expect(contentOf(await asTenant("two", "四"))).toBe("answer 2");
    expect([(await asTenant("two", "五")).status, calls()]).toEqual([409, 2]);
  });

  it("reaches other isolates through the store, sealed where answers are", async () => {
    const { network, calls } = counting();
    const key = newKey();
    const settings = { ...onlyOpenAi, CACHE_ENCRYPTION_KEY: "k".repeat(32) };
    const ask = async (app: TestApp, content: string) => await app.post(path, body(content), under(key));
    await ask(testApp({ network, settings }), "六");
    const elsewhere = testApp({ network, settings });
    expect([contentOf(await ask(elsewhere, "六")), calls()]).toEqual(["answer 1", 1]);
    expect([(await ask(testApp({ network, settings }), "七")).status, calls()]).toEqual([409, 1]);
    const { keys } = await env.CACHE.list({ prefix: "idempotency:" });
    const values = await Promise.all(keys.map(async ({ name }) => await env.CACHE.get(name)));
    expect(values.length).toBeGreaterThan(0);
    for (const shown of [...keys.map(({ name }) => name), ...values]) expect(shown).not.toContain(key);
    expect(values.filter((value) => value?.includes("六"))).toEqual([]);
  });

  /** An answer of so many characters, of three bytes each, that compress badly. */
  const long = (characters: number) =>
    new Hono().post("/v1/chat/completions", (c) => c.json(completion(noise(characters))));

  it("reaches them also where it is as long as can be stored and compresses badly", async () => {
    const headers = under(newKey());
    await testApp({ network: long(1_390_000) }).post(path, body("长"), headers);
    const elsewhere = await testApp({ network: new Hono() }).post(path, body("长"), headers);
    expect([elsewhere.status, replayed(elsewhere), String(contentOf(elsewhere)).length]).toEqual([
      200,
      "true",
      1_390_000,
    ]);
  });

  it("is asked for anew, here and elsewhere, where it is longer", async () => {
    const headers = under(newKey());
    const network = long(1_400_000);
    const here = testApp({ network });
    for (const app of [here, here, testApp({ network })]) {
      const answer = await app.post(path, body("更长"), headers);
      expect([answer.status, replayed(answer), String(contentOf(answer)).length]).toEqual([200, null, 1_400_000]);
    }
  });

  /** KV that gives what it has under an idempotency key as a stream which a test makes of it, and shows no other answer. */
  const streaming = (make: (bytes: Uint8Array) => unknown) =>
    new Proxy(env.CACHE, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : async (key: string) => {
              const value = key.startsWith("idempotency:") ? await all.get(key, "arrayBuffer") : null;
              return value && (await make(new Uint8Array(value)));
            },
    });
  const streamOf = (
    pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>,
    cancel?: () => void,
  ) => new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 });

  it("reaches them where the store begins in time and takes its time to give all of it", async () => {
    const { network, calls } = counting();
    const headers = under(newKey());
    await testApp({ network }).post(path, body("慢"), headers);
    const kv = streaming((bytes) =>
      streamOf(async (controller) => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        controller.enqueue(bytes);
        controller.close();
      }),
    );
    expect([contentOf(await testApp({ network, kv }).post(path, body("慢"), headers)), calls()]).toEqual([
      "answer 1",
      1,
    ]);
  });

  it("is asked for anew where the store breaks off", async () => {
    const { network, calls } = counting();
    const headers = under(newKey());
    await testApp({ network }).post(path, body("断"), headers);
    const kv = streaming(() => streamOf((controller) => controller.error(new Error("kv"))));
    expect([contentOf(await testApp({ network, kv }).post(path, body("断"), headers)), calls()]).toEqual([
      "answer 2",
      2,
    ]);
  });

  it("is asked for anew where the store begins late, and leaves no stream unread", async () => {
    const { network } = counting();
    const headers = under(newKey());
    await testApp({ network }).post(path, body("迟"), headers);
    const [late, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const kv = streaming(async () => {
      await late.promise;
      return streamOf(() => {}, left.resolve);
    });
    expect(contentOf(await testApp({ network, kv }).post(path, body("迟"), headers))).toBe("answer 2");
    late.resolve();
    await left.promise;
  });

  it.each([
    ["the caller forbids it", { "cache-control": "no-store" }, {}],
    ["the settings forbid it", {}, { QINGYU_CACHE_ENABLED: "false" }],
  ])("is not stored where %s", async (_, headers, settings) => {
    const { network, calls } = counting();
    const key = newKey();
    for (const _ of [1, 2]) {
      const app = testApp({ network, settings: { ...onlyOpenAi, ...settings } });
      await app.post(path, body("八"), under(key, headers));
    }
    expect(calls()).toBe(2);
  });

  it("is free again after a day", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { network, calls } = counting();
    const app = testApp({ network, settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" } });
    const key = newKey();
    await app.post(path, body("九"), under(key));
    vi.setSystemTime(Date.now() + 86_400_000);
    expect([(await app.post(path, body("十"), under(key))).status, calls()]).toEqual([200, 2]);
  });

  it("does not keep failures", async () => {
    let calls = 0;
    const network = new Hono().post("/v1/chat/completions", (c) =>
      ++calls === 1 ? c.text("<html>") : c.json(completion("好")),
    );
    const app = testApp({ network });
    const headers = under(newKey());
    expect((await app.post(path, body("一"), headers)).status).toBe(502);
    expect((await app.post(path, body("一"), headers)).status).toBe(200);
  });

  it("remembers no more than its room allows, the newest", async () => {
    let calls = 0;
    const network = new Hono().post("/v1/chat/completions", (c) => {
      calls++;
      return c.json(completion("长".repeat(1_390_000)));
    });
    const app = testApp({ network, settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" } });
    const keys = [newKey(), newKey(), newKey(), newKey()];
    for (const key of keys) await app.post(path, body("一"), under(key));
    for (const key of keys.slice(1)) expect((await app.post(path, body("一"), under(key))).status).toBe(200);
    expect(calls).toBe(4);
    await app.post(path, body("一"), under(keys[0] ?? ""));
    expect(calls).toBe(5);
  });

  it.each(["", "a b", "é", "x".repeat(256)])("is refused where it is none: '%s'", async (key) => {
    const { network, calls } = counting();
    const refused = await testApp({ network }).post(path, body("一"), under(key));
    expect([refused.status, at(refused.json(), "error", "param"), calls()]).toEqual([400, "idempotency-key", 0]);
  });
});

afterEach(() => void vi.useRealTimers());

describe.concurrent("the same idempotency key while the first request runs", () => {
  const surfaces: readonly Surface[] = ["openai", "qingyu", "connect"];
  const mix = [false, true].flatMap((first) => [false, true].map((second) => ({ first, second })));

  it.each(surfaces.flatMap((surface) => mix.map((each) => ({ surface, ...each }))))(
    "makes one call: $surface, stream $first, then stream $second",
    async ({ surface, first, second }) => {
      const ai = upstream("slow:150");
      const { ask } = gateway([provider("ai", "openai", ai)]);
      const headers = under(newKey());
      const answers = await Promise.all([first, second, second].map((stream) => ask({ surface, stream, headers })));
      expect(answers.map(({ status, content }) => [status, content])).toEqual([1, 2, 3].map(() => [200, goodText]));
      expect(answers.filter(({ headers }) => headers.get("idempotent-replayed")).length).toBe(2);
      expect(await ai.seen()).toHaveLength(1);
    },
  );

  it("is 409 with another body", async () => {
    const ai = upstream("slow:150");
    const { ask } = gateway([provider("ai", "openai", ai)]);
    const headers = under(newKey());
    const other = { messages: [{ role: "user", content: "别的" }] };
    const answers = await Promise.all([ask({ headers }), ask({ headers, body: other })]);
    expect(answers.map(({ status }) => status)).toEqual([200, 409]);
    expect(await ai.seen()).toHaveLength(1);
  });

  it("fails for all in the same way", async () => {
    const ai = upstream("slow-status:150:400");
    const { ask } = gateway([provider("ai", "openai", ai)]);
    const headers = under(newKey());
    const answers = await Promise.all([1, 2, 3].map(() => ask({ headers })));
    expect(answers.map(({ status, code }) => [status, code])).toEqual([1, 2, 3].map(() => [400, "invalid_request"]));
    expect(await ai.seen()).toHaveLength(1);
  });

  it("fails for all where the stream fails", async () => {
    const { ask } = gateway([provider("ai", "openai", upstream("slow-cut:150"))]);
    const headers = under(newKey());
    const [live, waiting] = await Promise.all([ask({ stream: true, headers }), ask({ headers })]);
    expect([live.status, live.code, waiting.status, waiting.code]).toEqual([
      200,
      "upstream_bad_response",
      502,
      "upstream_bad_response",
    ]);
  });

  it.each([false, true])("goes on for the others when the first one's caller leaves: stream %s", async (stream) => {
    const ai = upstream("turns:silent-mid|ok");
    const { ask, open } = gateway([provider("ai", "openai", ai)]);
    const headers = under(newKey());
    const caller = new AbortController();
    const first = open({ stream, headers, signal: caller.signal });
    await ai.seen("open");
    const second = ask({ headers });
    caller.abort();
    expect([(await second).status, (await second).content]).toEqual([200, goodText]);
    await (await first).body?.cancel();
    expect((await ai.seen()).map(({ state }) => state)).toEqual(["left", "answered"]);
  });

  it("goes on for the others when the first one's caller stops reading", async () => {
    const ai = upstream("turns:endless-tokens|ok");
    const { ask, open } = gateway([provider("ai", "openai", ai)]);
    const headers = under(newKey());
    const reader = (await open({ stream: true, headers })).body?.getReader();
    await reader?.read();
    const second = ask({ headers });
    await reader?.cancel();
    expect([(await second).status, (await second).content]).toEqual([200, goodText]);
  });

  it("keeps nobody who has left", async () => {
    const ai = upstream("silent");
    const { open } = gateway([provider("ai", "openai", ai)]);
    const headers = under(newKey());
    const caller = new AbortController();
    const first = open({ headers, signal: caller.signal });
    await ai.seen("open");
    const sinceMs = Date.now();
    await (await open({ headers, signal: AbortSignal.abort() })).body?.cancel();
    expect(Date.now() - sinceMs).toBeLessThan(5_000);
    caller.abort();
    await (await first).body?.cancel();
  });

  it("goes on for the others when the first one was in a hurry", async () => {
    const ai = upstream("turns:silent|ok");
    const { ask } = gateway([provider("ai", "openai", ai)]);
    const key = newKey();
    const answers = await Promise.all([
      ask({ headers: under(key, { "x-request-timeout-ms": "200" }) }),
      ask({ headers: under(key) }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([504, 200]);
  });

  it("keeps nobody longer than their own time", async () => {
    const ai = upstream("silent");
    const { ask, open } = gateway([provider("ai", "openai", ai)]);
    const key = newKey();
    const caller = new AbortController();
    const first = open({ headers: under(key), signal: caller.signal });
    await ai.seen("open");
    const { status, code } = await ask({ headers: under(key, { "x-request-timeout-ms": "200" }) });
    expect([status, code]).toEqual([504, "upstream_timeout"]);
    caller.abort();
    await (await first).body?.cancel();
    expect(await ai.seen()).toHaveLength(1);
  });
});
