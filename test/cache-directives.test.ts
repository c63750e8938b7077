import { Hono } from "hono";
import OpenAI from "openai";
import { afterEach, describe, expect, it, vi } from "vitest";
import { onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { completion } from "./upstreams/openai-answers.ts";

const hour = 3_600;
const day = 86_400;

afterEach(() => void vi.useRealTimers());

/**
 * One request, answered at first with `old`, on a clock that the test moves and before a provider that it may break. Each
 * `ask` comes to an isolate of its own, so that what is seen is what KV has.
 */
function scene(name: string) {
  vi.useFakeTimers({ toFake: ["Date"] });
  let content = "old";
  let isDown = false;
  let calls = 0;
  const network = new Hono().post("/v1/chat/completions", (c) => {
    calls++;
    return isDown ? c.text("<html>") : c.json(completion(content));
  });
  const path = "/v1/chat/completions";
  const ask = async (cacheControl = "", stream = false) => {
    const app = testApp({ network, settings: onlyOpenAi });
    const headers: Record<string, string> = cacheControl === "" ? {} : { "cache-control": cacheControl };
    const answer = await app.post(path, { messages: [{ role: "user", content: name }], stream }, headers);
    return {
      ...answer,
      said: /"content":"(old|new)"/.exec(answer.text)?.[1],
      cache: answer.headers.get("x-cache"),
      cacheStatus: answer.headers.get("cache-status"),
      age: answer.headers.get("age"),
    };
  };
  return {
    ask,
    /** Keeps the old answer, and from now on the provider has a new one. */
    begin: async () => {
      await ask();
      content = "new";
    },
    pass: (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000),
    breakProvider: () => {
      isDown = true;
    },
    calls: () => calls,
  };
}

/** What an entry of some age is to a caller: RFC 9111, 5.2.1, and RFC 5861 say when it may be handed out. */
const cases = [
  // A fresh one is, whatever is said of stale ones.
  { age: 10, asked: "", said: "old", status: /^QingyuGateway; hit; ttl=3590$/ },
  { age: 10, asked: "max-age=10", said: "old", status: /hit; ttl=3590$/ },
  { age: 10, asked: "max-age=9", said: "new", status: /fwd=request; stored$/ },
  { age: 10, asked: 'MAX-AGE = "9"', said: "new", status: /fwd=request; stored$/ },
  { age: 10, asked: 'max-age="60"', said: "old", status: /hit/ },
  { age: 0, asked: "max-age=0", said: "old", status: /hit; ttl=3600$/ },
  { age: 10, asked: "max-age=nonsense", said: "new", status: /fwd=request/ },
  { age: 10, asked: "only-if-cached", said: "old", status: /hit/ },
  { age: 10, asked: "no-cache", said: "new", status: /fwd=bypass; stored$/ },
  { age: 10, asked: "no-store", said: "new", status: /fwd=bypass$/ },
  { age: 10, asked: "private, x=1, max-age=60", said: "old", status: /hit/ },
  { age: hour - 1, asked: "", said: "old", status: /hit; ttl=1$/ },
  // A stale one only to who says so.
  { age: hour, asked: "", said: "new", status: /fwd=stale; stored$/ },
  { age: hour + 10, asked: "max-stale=10", said: "old", status: /hit; ttl=-10$/ },
  { age: hour + 11, asked: "max-stale=10", said: "new", status: /fwd=stale/ },
  { age: hour + day, asked: "max-stale", said: "old", status: /hit; ttl=-86400$/ },
  { age: hour + day + 1, asked: "max-stale", said: "new", status: /fwd=(stale|miss)/ },
  { age: hour + 10, asked: "max-stale=60, max-age=60", said: "new", status: /fwd=stale/ },
  { age: hour + 10, asked: "stale-while-revalidate=10", said: "old", status: /hit; ttl=-10$/ },
  { age: hour + 11, asked: "stale-while-revalidate=10", said: "new", status: /fwd=stale/ },
] as const;

describe("Cache-Control of a request", () => {
  it.each(cases)("an entry of $age s, asked for with '$asked', is '$said'", async ({ age, asked, said, status }) => {
    const { ask, begin, pass } = scene(`${age} ${asked}`);
    await begin();
    pass(age);
    const answer = await ask(asked);
    expect([answer.status, answer.said]).toEqual([200, said]);
    expect(answer.cacheStatus).toMatch(status);
    expect(answer.age).toBe(said === "old" ? String(age) : null);
  });

  it.each(["only-if-cached", "only-if-cached, no-cache", "only-if-cached, max-age=5"])(
    "%s is 504 cache_miss where nothing fits, and asks nobody",
    async (asked) => {
      const { ask, begin, pass, calls } = scene(`none ${asked}`);
      await begin();
      pass(hour + 1);
      const answer = await ask(asked);
      expect([answer.status, at(answer.json(), "error", "code"), calls()]).toEqual([504, "cache_miss", 1]);
    },
  );

  it("is obeyed alike when streaming", async () => {
    const { ask, begin, pass } = scene("streaming");
    await begin();
    pass(hour + 5);
    const answer = await ask("max-stale", true);
    expect([answer.said, answer.cache]).toEqual(["old", "STALE"]);
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
  });
});

describe("a stale answer while it is asked for anew", () => {
  it("is handed out at once, and the next caller gets the new one", async () => {
    const { ask, begin, pass, calls } = scene("revalidated");
    await begin();
    pass(hour + 5);
    const stale = await ask("stale-while-revalidate=60");
    expect([stale.said, stale.cache, stale.age, stale.headers.get("x-qingyu-attempts")]).toEqual([
      "old",
      "STALE",
      String(hour + 5),
      "cache:stale",
    ]);
    const next = await ask();
    expect([next.said, next.cache, calls()]).toEqual(["new", "HIT", 2]);
  });

  it("stays what it is where nobody answers", async () => {
    const { ask, begin, pass, breakProvider } = scene("not revalidated");
    await begin();
    pass(hour + 5);
    breakProvider();
    for (const _ of [1, 2]) expect((await ask("stale-while-revalidate=60")).said).toBe("old");
  });
});

describe("a stale answer where every provider fails", () => {
  const helps = [
    { age: hour + 5, asked: "" },
    { age: hour + day, asked: "" },
    { age: hour + 5, asked: "stale-if-error=5" },
    { age: hour + 5, asked: "no-cache, stale-if-error=60" },
    { age: hour + 5, asked: "no-store, stale-if-error" },
    { age: 5, asked: "max-age=1" },
  ];
  it.each(helps)("helps out: $age s old, '$asked'", async ({ age, asked }) => {
    for (const stream of [false, true]) {
      const { ask, begin, pass, breakProvider } = scene(`helps ${age} ${asked} ${stream}`);
      await begin();
      pass(age);
      breakProvider();
      const answer = await ask(asked, stream);
      expect([answer.status, answer.said, answer.cache, answer.age]).toEqual([200, "old", "STALE", String(age)]);
      expect(answer.cacheStatus).toContain(`; ttl=${hour - age}; detail=upstream_bad_response`);
      expect(answer.headers.get("x-qingyu-attempts")).toBe("openai:malformed, cache:stale");
    }
  });

  const refused = [
    { age: hour + 6, asked: "stale-if-error=5" },
    { age: hour + day + 1, asked: "" },
    { age: hour + 5, asked: "no-cache" },
    { age: hour + 5, asked: "no-store" },
  ];
  it.each(refused)("does not: $age s old, '$asked'", async ({ age, asked }) => {
    const { ask, begin, pass, breakProvider } = scene(`refused ${age} ${asked}`);
    await begin();
    pass(age);
    breakProvider();
    expect((await ask(asked)).status).toBe(502);
  });

  it("does not hide what is wrong with the request itself", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    let refuses = false;
    const network = new Hono().post("/v1/chat/completions", (c) =>
      refuses ? c.json({ error: { code: "content_filter" } }, 400) : c.json(completion("old")),
    );
    const body = { messages: [{ role: "user", content: "now refused" }] };
    const app = testApp({ network });
    await app.post("/v1/chat/completions", body);
    refuses = true;
    vi.setSystemTime(Date.now() + (hour + 5) * 1000);
    expect((await app.post("/v1/chat/completions", body)).status).toBe(400);
  });
});

describe("every surface", () => {
  const bodies = {
    "/v1/chat/completions": (text: string) => ({ messages: [{ role: "user", content: text }] }),
    "/api/v1/ai/generate": (text: string) => ({ projectId: "p", prompt: text }),
    "/qingyu.ai.AIService/GenerateContent": (text: string) => ({ projectId: "p", prompt: text }),
  };

  it.each(Object.entries(bodies))("is steered alike: %s", async (path, body) => {
    const network = new Hono().post("/v1/chat/completions", (c) => c.json(completion("old")));
    const app = testApp({ network });
    const cacheOf = async (cacheControl: string) => {
      const { status, headers, text } = await app.post(path, body(path), { "cache-control": cacheControl });
      return [status, headers.get("x-cache"), text.includes("old")];
    };
    expect(await cacheOf("only-if-cached")).toEqual([504, "MISS", false]);
    expect(await cacheOf("no-store")).toEqual([200, "BYPASS", true]);
    expect(await cacheOf("only-if-cached")).toEqual([504, "MISS", false]);
    expect(await cacheOf("")).toEqual([200, "MISS", true]);
    expect(await cacheOf("only-if-cached")).toEqual([200, "HIT", true]);
  });

  it("is steered by the official SDK's own options", async () => {
    const network = new Hono().post("/v1/chat/completions", (c) => c.json(completion("old")));
    const app = testApp({ network });
    const client = new OpenAI({
      apiKey: "any",
      baseURL: "http://localhost/v1",
      maxRetries: 0,
      fetch: async (url, init) => {
        const { status, headers, text } = await app.send(String(url), init);
        return new Response(text, { status, headers });
      },
    });
    const ask = async (cacheControl: string) => {
      const body = { model: "any", messages: [{ role: "user" as const, content: "SDK" }] };
      const options = { headers: { "cache-control": cacheControl } };
      return (await client.chat.completions.create(body, options).asResponse()).headers.get("x-cache");
    };
    await expect(ask("only-if-cached")).rejects.toMatchObject({ status: 504, code: "cache_miss" });
    expect([await ask("max-age=60"), await ask("max-age=60"), await ask("no-cache")]).toEqual([
      "MISS",
      "HIT",
      "BYPASS",
    ]);
  });
});
