import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";

const path = "/v1/chat/completions";
const keys = await Promise.all(["one", "two"].map(async (name) => `${name}:${await sha256Hex(name)}`));
const settings = { ...onlyOpenAi, GATEWAY_API_KEYS: keys.join(",") };
const as = (tenant: string) => ({ authorization: `Bearer ${tenant}` });
const chat = (content: string) => ({ messages: [{ role: "user", content }] });
const generate = (prompt: string) => ({ projectId: "p", prompt });

function newApp() {
  const { network } = fakeOpenAi();
  const app = testApp({ network, settings });
  const cacheOf = async (tenant: string, content: string) =>
    (await app.post(path, chat(content), as(tenant))).headers.get("x-cache");
  return { app, cacheOf };
}

describe("DELETE /api/v1/ai/cache", () => {
  it("forgets all answers of the caller's tenant, and nobody else's", async () => {
    const { app, cacheOf } = newApp();
    for (const tenant of ["one", "two"]) await cacheOf(tenant, "forget all");
    const purged = await app.send("/api/v1/ai/cache", { method: "DELETE", headers: as("one") });
    expect([purged.status, purged.json()]).toMatchObject([200, { code: 0, data: { purged: "all" } }]);
    expect([await cacheOf("one", "forget all"), await cacheOf("two", "forget all")]).toEqual(["MISS", "HIT"]);
    expect(await cacheOf("one", "forget all")).toBe("HIT");
  });

  it("holds for other isolates too, and leaves no tenant's name in KV", async () => {
    const [here, there] = [newApp(), newApp()];
    await here.cacheOf("one", "elsewhere");
    await here.app.send("/api/v1/ai/cache", { method: "DELETE", headers: as("one") });
    expect(await there.cacheOf("one", "elsewhere")).toBe("MISS");
    const { keys } = await env.CACHE.list({ prefix: "epoch:" });
    expect(keys.map(({ name }) => name)).toEqual([expect.stringMatching(/^epoch:v1:[A-Za-z0-9_-]{43}$/)]);
  });

  it("says so where it could not", async () => {
    const { network } = fakeOpenAi();
    const kv = new Proxy(env.CACHE, {
      get: (target, name) => (name === "put" ? () => Promise.reject(new Error("kv")) : Reflect.get(target, name)),
    });
    const app = testApp({ network, settings, kv });
    const answer = await app.send("/api/v1/ai/cache", { method: "DELETE", headers: as("one") });
    expect([answer.status, answer.json()]).toMatchObject([503, { error: "cache_unavailable" }]);
  });
});

describe("POST /api/v1/ai/cache/purge", () => {
  it.each([
    ["the OpenAI surface", path, chat],
    ["the Qingyu surface", "/api/v1/ai/generate", generate],
  ])("forgets one request of %s, and no other", async (_, route, body) => {
    const { app } = newApp();
    const cacheOf = async (text: string) => (await app.post(route, body(text), as("one"))).headers.get("x-cache");
    for (const text of ["this one", "another one"]) await cacheOf(text);
    const purged = await app.post("/api/v1/ai/cache/purge", { ...body("this one") }, as("one"));
    expect([purged.status, purged.json()]).toMatchObject([200, { code: 0, data: { purged: "one" } }]);
    expect([await cacheOf("this one"), await cacheOf("another one")]).toEqual(["MISS", "HIT"]);
  });

  it("leaves other tenants their answer to the same request", async () => {
    const { app, cacheOf } = newApp();
    for (const tenant of ["one", "two"]) await cacheOf(tenant, "mine only");
    await app.post("/api/v1/ai/cache/purge", chat("mine only"), as("two"));
    expect([await cacheOf("one", "mine only"), await cacheOf("two", "mine only")]).toEqual(["HIT", "MISS"]);
  });

  it("names what is wrong with the request", async () => {
    const { app } = newApp();
    const answer = await app.post("/api/v1/ai/cache/purge", { projectId: "p", promt: "x" }, as("one"));
    expect([answer.status, at(answer.json(), "param")]).toEqual([400, "prompt"]);
  });
});
