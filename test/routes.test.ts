import { describe, expect, it } from "vitest";
import { sha256Hex, testApp } from "./support/app.ts";

const hash = await sha256Hex("key-of-a");
const settings = {
  AI_PROVIDERS: "openai",
  OPENAI_API_KEY: "sk-upstream",
  GATEWAY_API_KEYS: `a:${hash}`,
  QINGYU_LIMITS_BODY_BYTES: "2000",
};

/** What anyone may see. */
const open = new Set(["/health/live", "/health/ready", "/api/v1/health", "/openapi.json", "/docs", "/docs/*"]);
/** Routes that take no body. */
const bodyless = new Set(["/v1/models", "/v1/models/:id{.+}", "/api/v1/ai/cache"]);

const routes = testApp({ settings }).app.routes.filter(
  ({ method, path }) => method !== "ALL" && !open.has(path) && !path.startsWith("/docs/"),
);

/** A path that a route's pattern matches. */
const pathOf = (pattern: string) => pattern.replace(/:id\{\.\+\}/, "gpt-x").replace(":method", "GenerateContent");

describe("every route but health and docs", () => {
  it("is in the table", () => {
    expect(routes.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      "DELETE /api/v1/ai/cache",
      "GET /v1/models",
      "GET /v1/models/:id{.+}",
      "POST /api/v1/ai/cache/purge",
      "POST /api/v1/ai/generate",
      "POST /qingyu.ai.AIService/:method",
      "POST /v1/chat/completions",
    ]);
  });

  for (const { method, path } of routes) {
    const headers = { "content-type": "application/json" };
    const withKey = { ...headers, authorization: "Bearer key-of-a" };

    it.each([
      ["no key", headers],
      ["an unknown key", { ...headers, authorization: "Bearer key-of-b" }],
      ["the hash instead of the key", { ...headers, authorization: `Bearer ${hash}` }],
      ["another scheme", { ...headers, authorization: "Basic key-of-a" }],
    ])(`${method} ${path} refuses %s`, async (_, sent) => {
      const answer = await testApp({ settings }).send(pathOf(path), {
        method,
        headers: sent,
        body: method === "POST" ? "{}" : undefined,
      });
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(answer.text).not.toContain("key-of-");
    });

    it(`${method} ${path} answers another method with 405 and Allow`, async () => {
      const answer = await testApp({ settings }).send(pathOf(path), { method: "PUT", headers: withKey });
      expect([answer.status, answer.headers.get("allow")]).toEqual([path.startsWith("/qingyu") ? 404 : 405, method]);
    });

    if (bodyless.has(path)) continue;

    it(`${method} ${path} refuses a body over the limit, announced or not`, async () => {
      const { send } = testApp({ settings });
      const text = JSON.stringify({ prompt: "长".repeat(2000) });
      const announced = await send(pathOf(path), { method, headers: withKey, body: text });
      const chunked = await send(pathOf(path), { method, headers: withKey, body: new Response(text).body });
      const status = path.startsWith("/qingyu") ? 429 : 413;
      expect([announced.status, chunked.status]).toEqual([status, status]);
    });

    it(`${method} ${path} refuses a body that is not of its schema`, async () => {
      const { post } = testApp({ settings });
      for (const body of [
        "",
        "{",
        "[]",
        "null",
        '{"messages":"x"}',
        '{"messages":[{}]}',
        "\ufeff{",
        `${"[".repeat(1500)}`,
      ]) {
        const answer = await post(pathOf(path), body, withKey);
        expect([body, answer.status]).toEqual([body, 400]);
      }
    });
  }

  it("answers an unknown path with 404 in the surface's own envelope", async () => {
    const { send } = testApp({ settings });
    const headers = { authorization: "Bearer key-of-a" };
    const openAi = await send("/v1/nothing", { headers });
    expect([openAi.status, openAi.json()]).toMatchObject([404, { error: { code: "not_found", param: null } }]);
    const qingyu = await send("/api/v1/nothing", { headers });
    expect([qingyu.status, qingyu.json()]).toMatchObject([404, { code: 1004, data: null }]);
  });
});
