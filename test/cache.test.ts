import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pack } from "../src/cache/storage/packing.ts";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";

const path = "/v1/chat/completions";
/** A request that no other test asks for: KV is shared within a file. */
const ask = (content: string, more: object = {}) => ({ messages: [{ role: "user", content }], ...more });

describe("the cache", () => {
  it("answers the second of two equal requests, plain or streamed, without asking anybody", async () => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    const miss = await app.post(path, ask("twice"));
    expect(miss.headers.get("cache-status")).toBe("QingyuGateway; fwd=miss; stored");
    expect(miss.headers.get("x-cache")).toBe("MISS");
    const hit = await app.post(path, ask("twice"));
    expect(hit.headers.get("cache-status")).toMatch(/^QingyuGateway; hit; ttl=3(600|599)$/);
    expect([
      hit.headers.get("x-cache"),
      hit.headers.get("age"),
      hit.headers.get("x-qingyu-attempts"),
      hit.headers.get("x-qingyu-provider"),
    ]).toEqual(["HIT", expect.stringMatching(/^[01]$/), "cache:hit", "openai"]);
    const { id: _, ...answer } = miss.json() as { id: string };
    expect(hit.json()).toMatchObject(answer);
    const streamed = await app.post(path, ask("twice", { stream: true, stream_options: { include_usage: true } }));
    expect(streamed.headers.get("x-cache")).toBe("HIT");
    expect(streamed.text).toContain('"content":"青羽"');
    expect(streamed.text).toContain('"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}');
    expect(seen).toHaveLength(1);
  });

  it("keeps a streamed answer for plain callers, and does not promise it in its headers", async () => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    const streamed = await app.post(path, ask("streamed first", { stream: true }));
    expect(streamed.headers.get("cache-status")).toBe("QingyuGateway; fwd=miss");
    const plain = await app.post(path, ask("streamed first"));
    expect([plain.headers.get("x-cache"), plain.json()]).toMatchObject([
      "HIT",
      { choices: [{ message: { content: "青羽" } }] },
    ]);
    expect(seen).toHaveLength(1);
  });

  it("shares an entry between the surfaces where they ask the same", async () => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    const ours = { prompt: "same everywhere", options: { temperature: 0.5, maxTokens: 9 } };
    await app.post("/api/v1/ai/generate", { projectId: "p", ...ours });
    const connect = await app.post("/qingyu.ai.AIService/GenerateContent", { projectId: "p", ...ours });
    expect(connect.headers.get("x-cache")).toBe("HIT");
    expect(seen).toHaveLength(1);
  });

  it.each([
    ["what says nothing", { stream: false, n: 1, top_p: null }],
    ["another end user", { user: "someone" }],
  ])("takes %s for the same request", async (name, more) => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    await app.post(path, ask(`same: ${name}`));
    await app.post(path, ask(`same: ${name}`, more));
    expect(seen).toHaveLength(1);
  });

  it.each([
    ["temperature", { temperature: 0.8 }],
    ["max_tokens", { max_tokens: 10 }],
    ["temperature, the platform's default,", { temperature: 0.7 }],
    ["max_tokens, the platform's default,", { max_tokens: 2000 }],
    ["model", { model: "gpt-4o" }],
    ["the default model by its name, which another provider may read otherwise", { model: "gpt-4-turbo-preview" }],
    ["stop", { stop: "x" }],
    ["seed", { seed: 1 }],
    ["a parameter that the gateway does not know", { logit_bias: { 1: 2 } }],
    ["a Unicode normalisation", { messages: [{ role: "user", content: "differs: e\u0301" }] }],
  ])("takes another %s for another request", async (name, more) => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    await app.post(path, ask(name.startsWith("a Unicode") ? "differs: \u00e9" : `differs: ${name}`));
    await app.post(path, ask(`differs: ${name}`, more));
    expect(seen).toHaveLength(2);
  });

  it("never answers one tenant with what another was answered", async () => {
    const { network, seen } = fakeOpenAi();
    const settings = { ...onlyOpenAi, GATEWAY_API_KEYS: `a:${await sha256Hex("key-a")},b:${await sha256Hex("key-b")}` };
    const app = testApp({ network, settings });
    for (const key of ["key-a", "key-b"]) {
      const answer = await app.post(path, ask("two tenants"), { authorization: `Bearer ${key}` });
      expect([answer.status, answer.headers.get("x-cache")]).toEqual([200, "MISS"]);
    }
    expect(seen).toHaveLength(2);
  });

  it("joins the caller's user to the key where cache.scope says so", async () => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network, settings: { ...onlyOpenAi, QINGYU_CACHE_SCOPE: "user" } });
    for (const user of ["u1", "u2", "u1"]) await app.post(path, ask("per user", { user }));
    expect(seen).toHaveLength(2);
  });

  it("obeys no-store and no-cache", async () => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network });
    const unstored = await app.post(path, ask("directives"), { "cache-control": "No-Store" });
    expect([unstored.headers.get("cache-status"), unstored.headers.get("x-cache")]).toEqual([
      "QingyuGateway; fwd=bypass",
      "BYPASS",
    ]);
    expect((await app.post(path, ask("directives"))).headers.get("x-cache")).toBe("MISS");
    const refreshed = await app.post(path, ask("directives"), { "cache-control": "max-age=0, no-cache" });
    expect([refreshed.headers.get("x-cache"), refreshed.headers.get("cache-status")]).toEqual([
      "BYPASS",
      "QingyuGateway; fwd=bypass; stored",
    ]);
    expect((await app.post(path, ask("directives"))).headers.get("x-cache")).toBe("HIT");
    expect(seen).toHaveLength(3);
  });

  it("tells everyone downstream to keep nothing", async () => {
    const { network } = fakeOpenAi();
    const answer = await testApp({ network }).post(path, ask("downstream"));
    expect(answer.headers.get("cache-control")).toBe("private, no-store");
  });

  it("is not there where cache.enabled is false", async () => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network, settings: { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" } });
    for (let turn = 0; turn < 2; turn++) await app.post(path, ask("off"));
    expect(seen).toHaveLength(2);
  });

  it("stores nothing that is filtered, failed or cut off", async () => {
    const before = (await env.CACHE.list()).keys.length;
    const answers: Record<
      string,
      (c: {
        json: (body: unknown, status?: 500) => Response;
        body: (text: string, status: 200, headers: object) => Response;
      }) => Response
    > = {
      filtered: (c) => c.json({ choices: [{ message: { content: "…" }, finish_reason: "content_filter" }] }),
      failed: (c) => c.json({ error: { code: "x" } }, 500),
      cut: (c) =>
        c.body('data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\n', 200, {
          "content-type": "text/event-stream",
        }),
    };
    for (const [name, answer] of Object.entries(answers)) {
      const network = new Hono().post("/v1/chat/completions", (c) => answer(c as never));
      await testApp({ network }).post(path, ask(`not stored: ${name}`, { stream: name === "cut" }));
    }
    expect((await env.CACHE.list()).keys).toHaveLength(before);
  });

  it("names no tenant and no prompt in a key, and keeps it as long as it may be used", async () => {
    const { network } = fakeOpenAi();
    await testApp({ network }).post(path, ask("in the key?"));
    const { keys } = await env.CACHE.list();
    expect(keys.length).toBeGreaterThan(0);
    for (const { name, expiration } of keys) {
      expect(name).toMatch(/^generate:v4:0:[A-Za-z0-9_-]{43}$/);
      expect(expiration).toBeGreaterThan(Date.now() / 1000 + 3600 + 86400 - 120);
    }
  });

  it("has other keys with a secret than without", async () => {
    const { network, seen } = fakeOpenAi();
    await testApp({ network }).post(path, ask("secret"));
    const settings = { ...onlyOpenAi, CACHE_KEY_SECRET: "0123456789abcdef0123456789abcdef" };
    for (let turn = 0; turn < 2; turn++) await testApp({ network, settings }).post(path, ask("secret"));
    expect(seen).toHaveLength(2);
  });
});

describe("with an encryption key", () => {
  const settings = { ...onlyOpenAi, CACHE_ENCRYPTION_KEY: "0123456789abcdef0123456789abcdef" };

  it("keeps nothing in KV that can be read, and reads it itself", async () => {
    const { network, seen } = fakeOpenAi(["PLANTED answer"]);
    const known = new Set((await env.CACHE.list()).keys.map(({ name }) => name));
    for (const expected of ["MISS", "HIT"]) {
      const answer = await testApp({ network, settings }).post(path, ask("PLANTED prompt"));
      expect([answer.headers.get("x-cache"), answer.text.includes("PLANTED answer")]).toEqual([expected, true]);
    }
    expect(seen).toHaveLength(1);
    const added = (await env.CACHE.list()).keys.filter(({ name }) => !known.has(name));
    expect(added).toHaveLength(1);
    const value = new Uint8Array((await env.CACHE.get(added[0]?.name ?? "", "arrayBuffer")) ?? []);
    expect(value.length).toBeGreaterThan(100);
    expect(new TextDecoder("latin1").decode(value)).not.toContain("PLANTED");
  });

  it("reads no value that was put under another key", async () => {
    const { network, seen } = fakeOpenAi();
    const known = new Set((await env.CACHE.list()).keys.map(({ name }) => name));
    for (const prompt of ["moved from", "moved to"]) await testApp({ network, settings }).post(path, ask(prompt));
    const [from, to] = (await env.CACHE.list()).keys.map(({ name }) => name).filter((name) => !known.has(name));
    const value = await env.CACHE.get(from ?? "", "arrayBuffer");
    await env.CACHE.put(to ?? "", value ?? "");
    const shown = [];
    for (const prompt of ["moved from", "moved to"]) {
      shown.push((await testApp({ network, settings }).post(path, ask(prompt))).headers.get("x-cache"));
    }
    expect([shown.toSorted(), seen.length]).toEqual([["HIT", "MISS"], 3]);
  });

  it.each([
    ["another key", { CACHE_ENCRYPTION_KEY: "fedcba9876543210fedcba9876543210" }],
    ["no key any more", { CACHE_ENCRYPTION_KEY: "" }],
  ])("takes what was kept for a miss under %s", async (name, rotated) => {
    const { network, seen } = fakeOpenAi();
    await testApp({ network, settings }).post(path, ask(`rotated: ${name}`));
    const answer = await testApp({ network, settings: { ...settings, ...rotated } }).post(
      path,
      ask(`rotated: ${name}`),
    );
    expect([answer.status, answer.headers.get("x-cache"), seen.length]).toEqual([200, "MISS", 2]);
  });
});

type Get = (key: string) => Promise<unknown>;

/** KV bindings that misbehave, as a binding may. Of purges they know nothing unless told otherwise. */
function faultyKv(get: Get, put: () => Promise<void> = async () => {}): KVNamespace {
  return new Proxy(env.CACHE, {
    get: (kv, name) => (name === "get" ? get : name === "put" ? put : Reflect.get(kv, name)),
  });
}

/** Gives this for every entry; what it gives may depend on the digest in the key. */
const holding =
  (value: unknown): Get =>
  async (key) => {
    if (!key.startsWith("generate:")) return null;
    return await (typeof value === "function" ? value(key.split(":").at(-1)) : value);
  };

describe("a broken KV", () => {
  beforeEach(() => void vi.spyOn(console, "log").mockImplementation(() => {}));
  afterEach(() => void vi.restoreAllMocks());

  const never = <T>() => new Promise<T>(() => {});
  type More = { version?: number; tenant?: string; operation?: string; createdAtMs?: number; content?: string };
  const text = (digest: string, { createdAtMs = Date.now(), content = "stale", ...more }: More) =>
    JSON.stringify({
      version: 4,
      tenant: "development",
      operation: "generate",
      digest,
      ...more,
      answer: {
        provider: "openai",
        model: "m",
        createdAtMs,
        choices: [{ content, finishReason: "stop" }],
      },
    });
  const packed =
    (more: More = {}) =>
    async (digest: string) =>
      (await pack(text(digest, more))).buffer;
  const damaged = (damage: (bytes: Uint8Array) => Uint8Array) => async (digest: string) =>
    damage(new Uint8Array(await packed()(digest))).buffer;
  const bomb = async () => {
    const zipped = new Blob(["{".repeat(64 * 1024 * 1024)]).stream().pipeThrough(new CompressionStream("gzip"));
    return await new Response(
      new Blob([new Uint8Array([2, ...new Uint8Array(32)]), await new Response(zipped).blob()]),
    ).arrayBuffer();
  };
  const throwing = () => {
    throw new Error("kv");
  };

  it.each<[string, Get, (() => Promise<void>)?]>([
    ["throws at once", throwing, throwing],
    ["rejects", () => Promise.reject(new Error("kv")), () => Promise.reject(new Error("kv"))],
    ["hangs", never, never],
    ["hangs for entries", (key) => (key.startsWith("generate:") ? never() : Promise.resolve(null))],
    ["holds nothing that is bytes", holding("text")],
    ["holds no bytes", holding(new ArrayBuffer(0))],
    ["holds other bytes", holding(new ArrayBuffer(100))],
    ["holds another thing", holding(pack("[]").then(({ buffer }) => buffer))],
    ["holds no JSON", holding(pack("{").then(({ buffer }) => buffer))],
    ["holds half an entry", holding(damaged((bytes) => bytes.slice(0, -20)))],
    ["holds an entry with a flipped bit", holding(damaged((bytes) => bytes.with(-9, (bytes.at(-9) ?? 0) ^ 1)))],
    ["holds an entry with another checksum", holding(damaged((bytes) => bytes.with(1, (bytes.at(1) ?? 0) ^ 1)))],
    ["holds an older version", holding(packed({ version: 3 }))],
    ["holds another operation's entry", holding(packed({ operation: "embed" }))],
    ["holds another tenant's entry", holding(packed({ tenant: "other" }))],
    ["holds the answer to another request", holding(() => packed()("another"))],
    ["holds an entry that becomes too large", holding(packed({ content: `stale${"x".repeat(5_000_000)}` }))],
    ["holds a huge value", holding(pack("x".repeat(8 * 1024 * 1024)).then(({ buffer }) => buffer))],
    ["holds what becomes huge", holding(bomb())],
    [
      "does not know the tenant's epoch",
      async (key) => (key.startsWith("epoch:") ? new TextEncoder().encode("x").buffer : await packed()("x")),
    ],
  ])("that %s changes no answer and delays none", async (name, get, put) => {
    const { network } = fakeOpenAi();
    for (const stream of [false, true]) {
      const app = testApp({ network, kv: faultyKv(get, put) });
      const sinceMs = Date.now();
      const response = app.app.fetch(
        new Request(`http://localhost${path}`, {
          method: "POST",
          body: JSON.stringify(ask(`kv ${name}`, { stream })),
          headers: { "content-type": "application/json" },
        }),
        env,
        createExecutionContext(),
      );
      const answer = await response;
      const shown = await answer.text();
      expect([answer.status, answer.headers.get("x-cache")]).toEqual([200, "MISS"]);
      // The time limit of a read, 50 ms, and what a busy machine adds.
      expect(Date.now() - sinceMs).toBeLessThan(5_000);
      expect(shown).toContain("青");
      expect(shown).not.toContain("stale");
    }
  });

  it("waits no longer than its time limit for epoch and entry together", async () => {
    const held = holding(packed());
    const late: Get = async (key) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return await held(key);
    };
    const { network } = fakeOpenAi();
    const read = async (limitMs: number) => {
      const settings = { ...onlyOpenAi, QINGYU_CACHE_READ_TIMEOUT_MS: String(limitMs) };
      const asked = testApp({ network, settings, kv: faultyKv(late) }).post(path, ask(`late twice ${limitMs}`));
      return (await asked).headers.get("x-cache");
    };
    // Each read is in time, both together are not.
    expect([await read(450), await read(10_000)]).toEqual(["MISS", "HIT"]);
  });

  it("reads an entry that is as it should be", async () => {
    const app = testApp({ kv: faultyKv(holding(packed())) });
    const answer = await app.post(path, ask("foreign"));
    expect([answer.headers.get("x-cache"), answer.json()]).toMatchObject([
      "HIT",
      { choices: [{ message: { content: "stale" } }] },
    ]);
  });

  it("does not use an entry after its time, however long KV keeps it", async () => {
    const old = packed({ createdAtMs: Date.now() - 3_600_000 });
    const { network, seen } = fakeOpenAi();
    const answer = await testApp({ network, kv: faultyKv(holding(old)) }).post(path, ask("old"));
    expect([answer.headers.get("x-cache"), seen.length]).toEqual(["MISS", 1]);
  });

  it("writes down a failed write without telling the caller", async () => {
    const { network } = fakeOpenAi();
    const kv = faultyKv(
      async () => null,
      () => Promise.reject(new Error("secret text")),
    );
    const answer = await testApp({ network, kv }).post(path, ask("unwritable"));
    expect(answer.status).toBe(200);
    expect(answer.log.map((line) => JSON.parse(line).message)).toContain("cache_write_failed");
    expect(answer.log.join()).not.toContain("secret text");
  });
});

describe("what is kept", () => {
  it("is compressed where that pays", async () => {
    for (const [content, isZipped] of [
      ["短", false],
      ["长".repeat(4_000), true],
    ] as const) {
      const { network } = fakeOpenAi([content]);
      const known = new Set((await env.CACHE.list()).keys.map(({ name }) => name));
      await testApp({ network }).post(path, ask(`compressed ${isZipped}`));
      const [added] = (await env.CACHE.list()).keys.filter(({ name }) => !known.has(name));
      const value = new Uint8Array((await env.CACHE.get(added?.name ?? "", "arrayBuffer")) ?? []);
      expect(value.length).toBeLessThan(1_000);
      expect(value[0]).toBe(isZipped ? 2 : 1);
      const again = await testApp({ network }).post(path, ask(`compressed ${isZipped}`));
      expect([again.headers.get("x-cache"), again.text.includes(content)]).toEqual(["HIT", true]);
    }
  });

  it("is not an answer over the size limit", async () => {
    const { network, seen } = fakeOpenAi(["长".repeat(1_400_000)]);
    const before = (await env.CACHE.list()).keys.length;
    const app = testApp({ network });
    const answer = await app.post(path, ask("too long"));
    expect(answer.headers.get("cache-status")).toBe("QingyuGateway; fwd=miss");
    expect((await env.CACHE.list()).keys).toHaveLength(before);
    await app.post(path, ask("too long"));
    expect(seen).toHaveLength(2);
  });

  it("is read from memory without KV while there is room", async () => {
    let reads = 0;
    const counting: Get = async () => {
      reads++;
      return null;
    };
    const { network, seen } = fakeOpenAi();
    for (const [memory, expected] of [
      ["4194304", ["MISS", "HIT", "HIT"]],
      ["0", ["MISS", "MISS", "MISS"]],
    ] as const) {
      const app = testApp({
        network,
        kv: faultyKv(counting),
        settings: { ...onlyOpenAi, QINGYU_CACHE_MEMORY_BYTES: memory },
      });
      const shown = [];
      for (const _ of expected) shown.push((await app.post(path, ask(`memory ${memory}`))).headers.get("x-cache"));
      expect(shown).toEqual(expected);
    }
    // Once for each epoch, and once for each look into KV.
    expect([reads, seen.length]).toEqual([2 + 1 + 3, 4]);
  });

  it.each([
    ["kept", async () => null],
    ["read from KV", undefined],
  ] as const)("makes room in memory, the oldest first, when %s", async (name, get) => {
    const { network } = fakeOpenAi(["长".repeat(1_000)]);
    const prompts = ["first", "second"].map((each) => ask(`room ${name} ${each}`));
    if (!get) for (const prompt of prompts) await testApp({ network }).post(path, prompt);
    let reads = 0;
    const kv = new Proxy(env.CACHE, {
      get: (all, member) =>
        member !== "get"
          ? Reflect.get(all, member).bind(all)
          : async (key: string) => {
              if (key.startsWith("generate:")) reads++;
              return get ? await get() : await all.get(key, "arrayBuffer");
            },
    });
    // Room for one answer of 1,000 characters, and not for two.
    const app = testApp({ network, kv, settings: { ...onlyOpenAi, QINGYU_CACHE_MEMORY_BYTES: "3000" } });
    for (const prompt of prompts) await app.post(path, prompt);
    expect(reads).toBe(2);
    await app.post(path, prompts[1]);
    expect(reads).toBe(2);
    await app.post(path, prompts[0]);
    expect(reads).toBe(3);
  });

  it("is written once a second at most for one key", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    let writes = 0;
    const kv = faultyKv(
      async () => null,
      async () => void writes++,
    );
    const { network } = fakeOpenAi();
    const app = testApp({ network, kv });
    const refresh = () => app.post(path, ask("often"), { "cache-control": "no-cache" });
    for (const _ of [1, 2, 3]) await refresh();
    expect(writes).toBe(1);
    vi.setSystemTime(Date.now() + 1_000);
    await refresh();
    expect(writes).toBe(2);
    vi.useRealTimers();
  });
});
