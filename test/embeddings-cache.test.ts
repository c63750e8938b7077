import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { pack, unpack } from "../src/cache/storage/packing.ts";
import { sha256Hex } from "./support/app-on-fake-network.ts";
import { aiServiceEmbedder, embeddingApp, listOf, openAiEmbedder, vectorsFor } from "./support/embedders.ts";
import { at } from "./support/json.ts";

const path = "/v1/embeddings";
const xCache = (answer: { headers: Headers }) => answer.headers.get("x-cache");

const keysOf = async () => new Set((await env.CACHE.list({ prefix: "embed:" })).keys.map(({ name }) => name));

/** A back end that gives other vectors each time. */
function counting() {
  let calls = 0;
  return openAiEmbedder("one", ["m", "m2"], ({ input }) => {
    calls++;
    return listOf(input.map(() => [calls, 0.1]));
  });
}

describe("an answer with vectors", () => {
  it("is kept, to the last bit, for both ways to write numbers", async () => {
    const body = { model: "m", input: ["一", "二"] };
    const first = await embeddingApp([counting()]).post(path, body);
    // Another isolate's memory is empty, so this one comes from KV.
    const { post, visits } = embeddingApp([counting()]);
    const again = await post(path, body);
    expect([xCache(first), xCache(again), visits]).toEqual(["MISS", "HIT", []]);
    expect(again.text).toBe(first.text);
    const base64 = await post(path, { ...body, encoding_format: "base64" });
    expect([xCache(base64), at(base64.json(), "data", 1, "embedding")]).toEqual(["HIT", "AACAP83MzD0="]);
    expect(JSON.parse(again.log.at(-1) ?? "")).toMatchObject({ usage: { promptTokens: 5, cached: true } });
  });

  it("is stored in a third of its decimals' length, under the operation's name", async () => {
    const vector = Array.from({ length: 1024 }, (_, index) => Math.fround(Math.sin(index)));
    const { post } = embeddingApp([openAiEmbedder("one", ["m"], () => listOf([vector]))]);
    await post(path, { model: "m", input: "how large" });
    const { keys } = await env.CACHE.list({ prefix: "embed:" });
    const sizes = await Promise.all(
      keys.map(async ({ name }) => (await env.CACHE.get(name, "arrayBuffer"))?.byteLength ?? 0),
    );
    expect(Math.max(...sizes)).toBeLessThan(1024 * 6);
    expect(Math.max(...sizes)).toBeGreaterThan(1024 * 3);
  });

  it.each(["@@@@", "AAAA"])("is asked for anew where the store holds %s for a vector", async (stored) => {
    const input = `damaged ${stored}`;
    const before = await keysOf();
    await embeddingApp([counting()]).post(path, { model: "m", input });
    const key = [...(await keysOf())].find((name) => !before.has(name)) ?? "";
    const bytes = new Uint8Array((await env.CACHE.get(key, "arrayBuffer")) ?? []);
    const text = (await unpack(bytes, 10_000)) ?? "";
    await env.CACHE.put(key, await pack(text.replace(/"vectors":\["[^"]*"/, `"vectors":["${stored}"`)));
    const again = await embeddingApp([counting()]).post(path, { model: "m", input });
    expect([text.includes('"vectors":["'), again.status, xCache(again)]).toEqual([true, 200, "MISS"]);
  });

  const base = { model: "m", input: ["键"] };
  it.each([
    ["another model", { ...base, model: "m2" }],
    ["another text", { ...base, input: ["键2"] }],
    ["one text more", { ...base, input: ["键", "键"] }],
    ["tokens", { ...base, input: [1] }],
    ["a dimension", { ...base, dimensions: 2 }],
    ["a parameter that only the provider knows", { ...base, task: "retrieval" }],
  ])("is none for %s", async (_, other) => {
    const { post } = embeddingApp([counting()]);
    await post(path, base);
    expect(xCache(await post(path, base))).toBe("HIT");
    expect(xCache(await post(path, other))).toBe("MISS");
  });

  it.each([
    ["a text in a list", { model: "m", input: ["同"] }, { model: "m", input: "同" }],
    ["another user", { model: "m", input: "同2", user: "a" }, { model: "m", input: "同2", user: "b" }],
    ["null", { model: "m", input: "同3" }, { model: "m", input: "同3", dimensions: null, task: null }],
  ])("is the same for %s", async (_, one, other) => {
    const { post } = embeddingApp([counting()]);
    await post(path, one);
    expect(xCache(await post(path, other))).toBe("HIT");
  });

  it("is the same for the settings' model, named or not", async () => {
    const { post } = embeddingApp([counting()], { EMBEDDING_MODEL_NAME: "m" });
    await post(path, { input: "默认" });
    expect(xCache(await post(path, { model: "m", input: "默认" }))).toBe("HIT");
  });

  it("is each user's own where the scope says so", async () => {
    const { post } = embeddingApp([counting()], { QINGYU_CACHE_SCOPE: "user" });
    await post(path, { model: "m", input: "谁", user: "a" });
    expect(xCache(await post(path, { model: "m", input: "谁", user: "b" }))).toBe("MISS");
    expect(xCache(await post(path, { model: "m", input: "谁", user: "a" }))).toBe("HIT");
  });

  it("is each tenant's own", async () => {
    const keys = await Promise.all(["one", "two"].map(async (name) => `${name}:${await sha256Hex(name)}`));
    const { post } = embeddingApp([counting()], { GATEWAY_API_KEYS: keys.join(",") });
    const ask = async (tenant: string) =>
      xCache(await post(path, { model: "m", input: "租户" }, { authorization: `Bearer ${tenant}` }));
    expect([await ask("one"), await ask("two"), await ask("one")]).toEqual(["MISS", "MISS", "HIT"]);
  });

  it("is forgotten by a purge of its request, and no other is", async () => {
    const { post } = embeddingApp([counting()]);
    const [one, other] = [
      { model: "m", input: "忘" },
      { model: "m", input: "不忘" },
    ];
    for (const body of [one, other]) await post(path, body);
    const purged = await post("/api/v1/ai/cache/purge", { ...one, encoding_format: "base64" });
    expect(purged.json()).toMatchObject({ code: 0, data: { purged: "one" } });
    expect([xCache(await post(path, one)), xCache(await post(path, other))]).toEqual(["MISS", "HIT"]);
    expect(at((await post("/api/v1/ai/cache/purge", { input: "" })).json(), "param")).toBe("input");
  });

  it("is forgotten with all others of its tenant", async () => {
    const { post, send } = embeddingApp([counting()]);
    await post(path, { model: "m", input: "全忘" });
    await send("/api/v1/ai/cache", { method: "DELETE" });
    expect(xCache(await post(path, { model: "m", input: "全忘" }))).toBe("MISS");
  });
});

describe("identical requests for vectors", () => {
  it("make one upstream call while it is in flight", async () => {
    const begun = Promise.withResolvers<void>();
    const held = openAiEmbedder("one", ["m"], async ({ input }) => {
      await begun.promise;
      return listOf(vectorsFor(input));
    });
    const { post, visits } = embeddingApp([held]);
    const answers = Array.from({ length: 20 }, (_, index) =>
      post(path, { model: "m", input: "同时", encoding_format: index % 2 === 0 ? "float" : "base64" }),
    );
    await expect.poll(() => visits.length).toBe(1);
    begun.resolve();
    const all = await Promise.all(answers);
    expect(all.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(all.map(xCache).toSorted()).toEqual([...Array(19).fill("COALESCED"), "MISS"]);
    expect(new Set(all.map(({ text }) => text)).size).toBe(2);
    expect(visits).toHaveLength(1);
  });

  it("get the same answer under one idempotency key, and a key stands for one operation", async () => {
    const { post, visits } = embeddingApp([counting(), aiServiceEmbedder()]);
    const headers = { "idempotency-key": crypto.randomUUID(), "cache-control": "no-store" };
    const body = { model: "m", input: "一次" };
    const [first, second] = [await post(path, body, headers), await post(path, body, headers)];
    expect([second.text, visits.length]).toEqual([first.text, 1]);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    const others = [
      await post(path, { ...body, input: "两次" }, headers),
      await post("/v1/chat/completions", { model: "m", messages: [{ role: "user", content: "一次" }] }, headers),
    ];
    expect(others.map((answer) => [answer.status, at(answer.json(), "error", "code")])).toEqual(
      Array(2).fill([409, "idempotency_key_reused"]),
    );
  });
});
