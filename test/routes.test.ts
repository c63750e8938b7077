import { describe, expect, it } from "vitest";
import { sha256Hex, testApp } from "./support/app-on-fake-network.ts";

const hash = await sha256Hex("key-of-a");
const settings = {
  AI_PROVIDERS: "openai",
  OPENAI_API_KEY: "sk-upstream",
  GATEWAY_API_KEYS: `a:${hash}`,
  GATEWAY_ADMIN_KEYS: `root:${await sha256Hex("key-of-root")}`,
  QINGYU_LIMITS_BODY_BYTES: "2000",
};

/** What anyone may see: health and docs. */
const openPaths: Readonly<Record<string, string>> = {
  "/health/live": "GET",
  "/health/ready": "GET",
  "/api/v1/health": "GET",
  "/api/v1/creative/health": "GET",
  "/api/v1/ai/health": "GET",
  "/openapi.json": "GET",
  "/docs": "GET",
  "/docs/init.js": "GET",
  "/docs/page.css": "GET",
  "/docs/swagger-ui.css": "GET",
  "/docs/swagger-ui-bundle.js": "GET",
};
/** What only a tenant may see or, below `/admin`, an operator, with the methods that each path has. */
const closedPaths: Readonly<Record<string, string>> = {
  "/v1/chat/completions": "POST",
  "/v1/completions": "POST",
  "/v1/embeddings": "POST",
  "/v1/models": "GET",
  "/v1/models/:id{.+}": "GET",
  "/api/v1/ai/generate": "POST",
  "/api/v1/ai/writing/continue": "POST",
  "/api/v1/ai/writing/continue/stream": "POST",
  "/api/v1/ai/writing/rewrite": "POST",
  "/api/v1/ai/writing/rewrite/stream": "POST",
  "/api/v1/ai/rewrite": "POST",
  "/api/v1/ai/expand": "POST",
  "/api/v1/ai/writing/expand": "POST",
  "/api/v1/ai/polish": "POST",
  "/api/v1/ai/writing/polish": "POST",
  "/api/v1/ai/read-assistant": "POST",
  "/api/v1/ai/writing/summarize": "POST",
  "/api/v1/ai/writing/summarize-chapter": "POST",
  "/api/v1/story/analyze-chapter": "POST",
  "/api/v1/ai/chat": "POST",
  "/api/v1/ai/chat/stream": "POST",
  "/api/v1/ai/chat/sessions": "GET, POST",
  "/api/v1/ai/chat/sessions/:id": "GET, PUT, DELETE",
  "/api/v1/ai/writing/proofread": "POST",
  "/api/v1/ai/writing/suggestions/:id": "GET",
  "/api/v1/ai/audit/sensitive-words": "POST",
  "/api/v1/ai/audit/sensitive-words/:id": "GET",
  "/api/v1/ai/story/generate": "POST",
  "/api/v1/ai/rag/retrieve": "POST",
  "/api/v1/ai/rag/search": "GET",
  "/api/v1/ai/providers": "GET",
  "/api/v1/ai/models": "GET",
  "/api/v1/ai/rag/query": "POST",
  "/api/v1/ai/context": "POST",
  "/api/v1/ai/agent/execute": "POST",
  "/api/v1/creative/workflow": "POST",
  "/api/v1/ai/creative/workflow": "POST",
  "/api/v1/creative/outline": "POST",
  "/api/v1/ai/creative/outline": "POST",
  "/api/v1/creative/characters": "POST",
  "/api/v1/ai/creative/characters": "POST",
  "/api/v1/creative/plot": "POST",
  "/api/v1/ai/creative/plot": "POST",
  "/api/v1/ai/cache": "DELETE",
  "/api/v1/ai/cache/purge": "POST",
  "/api/v1/ai/quota": "GET",
  "/api/v1/ai/quota/all": "GET",
  "/api/v1/ai/quota/statistics": "GET",
  "/api/v1/ai/quota/transactions": "GET",
  "/api/v1/admin/quota/:userId": "GET, PUT",
  "/api/v1/admin/quota/:userId/suspend": "POST",
  "/api/v1/admin/quota/:userId/activate": "POST",
  "/qingyu.ai.AIService/:method": "POST",
  "/admin/usage": "GET",
  "/admin/keys": "GET, POST",
  "/admin/keys/:id": "DELETE",
  "/admin/keys/:id/rotate": "POST",
};
const withoutBody = /\/(suspend|activate)$/;
/** What needs no member, and leaves alone those that it does not know. */
const withoutMembers = /\/chat\/sessions$/;
const allMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** A path that a route's pattern matches. */
const pathOf = (pattern: string) =>
  pattern
    .replace(":userId", "u-1")
    .replace(/:id(\{\.\+\})?/, "gpt-x")
    .replace(":method", "GenerateContent");
/** RFC 9110, 9.3.2: what answers GET answers HEAD. */
const isMethod = (method: string, own: string) => own.split(", ").includes(method === "HEAD" ? "GET" : method);
const isConnect = (path: string) => path.startsWith("/qingyu.ai.");

/** RFC 6750, 3.1. */
const wrongKey = 'Bearer error="invalid_token"';
const json = { "content-type": "application/json" };
const withKeyFor = (path: string) => ({
  ...json,
  authorization: `Bearer ${path.startsWith("/admin/") ? "key-of-root" : "key-of-a"}`,
});

it("knows every route: each path has its methods, and a handler for all others", () => {
  const { routes } = testApp({ settings }).app;
  const isMiddleware = ({ method, path }: { method: string; path: string }) =>
    method === "ALL" && /^(\/admin|\/api)?\/\*$/.test(path);
  const found = routes.filter((route) => !isMiddleware(route)).map(({ method, path }) => `${path} ${method}`);
  const expected = Object.entries({ ...openPaths, ...closedPaths }).flatMap(([path, methods]) => [
    ...methods.split(", ").map((method) => `${path} ${method}`),
    `${path} ALL`,
  ]);
  expect(found.toSorted()).toEqual(expected.toSorted());
});

describe.each(Object.entries({ ...openPaths, ...closedPaths }))("%s has %s", (pattern, own) => {
  it.each(allMethods.filter((method) => !isMethod(method, own)))(
    `and answers %s with 405 and Allow`,
    async (method) => {
      const answer = await testApp({ settings }).send(pathOf(pattern), { method, headers: withKeyFor(pattern) });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, own]);
    },
  );
});

describe.each(Object.entries(closedPaths))("%s", (pattern, own) => {
  const path = pathOf(pattern);

  it.each([
    ["no key", json, "Bearer"],
    ["an unknown key", { ...json, authorization: "Bearer key-of-b" }, wrongKey],
    ["an unknown key in the other header", { ...json, "x-api-key": "key-of-b" }, wrongKey],
    ["the hash instead of the key", { ...json, authorization: `Bearer ${hash}` }, wrongKey],
    ["another scheme", { ...json, authorization: "Basic key-of-a" }, "Bearer"],
  ])("refuses %s, whatever the method", async (_, headers, challenge) => {
    for (const method of allMethods) {
      const answer = await testApp({ settings }).send(path, { method, headers });
      expect([method, answer.status, answer.headers.get("www-authenticate")]).toEqual([method, 401, challenge]);
      expect(answer.text).not.toContain("key-of-");
    }
  });

  const tooLarge = isConnect(pattern) ? 429 : 413;

  it("refuses a body that is announced as over the limit, whatever the method", async () => {
    for (const method of allMethods) {
      const headers = { ...withKeyFor(pattern), "content-length": "2001" };
      const answer = await testApp({ settings }).send(path, { method, headers });
      expect([method, answer.status]).toEqual([method, tooLarge]);
    }
  });

  if (!isMethod("POST", own) || withoutBody.test(path)) return;
  const withKey = withKeyFor(pattern);

  it("refuses a body over the limit, announced or not", async () => {
    const { send } = testApp({ settings });
    const text = JSON.stringify({ prompt: "长".repeat(2000) });
    const announced = await send(path, { method: "POST", headers: withKey, body: text });
    const chunked = await send(path, { method: "POST", headers: withKey, body: new Response(text).body });
    expect([announced.status, chunked.status]).toEqual([tooLarge, tooLarge]);
  });

  const unknownMembers = withoutMembers.test(path) ? [] : ['{"messages":"x"}', '{"messages":[{}]}'];

  it.each(["", "{", "[]", "null", ...unknownMembers, "\ufeff{", "[".repeat(1500)])(
    "refuses a body that is not of its schema: %j",
    async (body) => {
      expect((await testApp({ settings }).post(path, body, withKey)).status).toBe(400);
    },
  );
});

describe("a path that there is not", () => {
  it("is not told to a caller without a key", async () => {
    const { send } = testApp({ settings });
    for (const path of ["/", "/v1", "/v1/nothing", "/api/v1/nothing", "/qingyu.ai.AIService", "/docs/nothing"]) {
      expect([path, (await send(path)).status]).toEqual([path, 401]);
    }
  });

  it("answers an unknown path with 404 in the surface's own envelope", async () => {
    const { send } = testApp({ settings });
    const headers = { authorization: "Bearer key-of-a" };
    const openAi = await send("/v1/nothing", { headers });
    expect([openAi.status, openAi.json()]).toMatchObject([404, { error: { code: "not_found", param: null } }]);
    const qingyu = await send("/api/v1/nothing", { headers });
    expect([qingyu.status, qingyu.json()]).toMatchObject([404, { code: 1004, data: null }]);
  });
});
