import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";

const providers = [
  { name: "openai", type: "openai", baseUrl: "https://openai.test/v1", apiKey: "sk", contextTokens: 128_000 },
  { name: "claude", type: "anthropic", baseUrl: "https://claude.test", apiKey: "sk", model: "claude-sonnet-4-6" },
  { name: "ai-service", type: "ai-service", baseUrl: "https://ai.test", models: ["qingyu-writer", "qingyu-*"] },
];
/** That of the AI service, unless the settings name another. */
const embedding = "BAAI/bge-large-zh-v1.5";
/** OpenAI lists its models; the AI service is not there. */
const network = new Hono().get("/v1/models", (c) =>
  new URL(c.req.url).hostname === "openai.test"
    ? c.json({ object: "list", data: [{ id: "gpt-4o" }, { id: "gpt-x" }] })
    : c.notFound(),
);
const app = (settings: Record<string, unknown> = {}) =>
  testApp({ network, settings: { AI_PROVIDERS: JSON.stringify(providers), ...settings } });

const dataOf = async (path: string, settings?: Record<string, unknown>): Promise<unknown> => {
  const answer = await app(settings).send(path, { headers: { "x-request-id": "r" } });
  expect([answer.status, answer.json()]).toMatchObject([
    200,
    { code: 0, message: "获取成功", timestamp: expect.any(Number), request_id: "r" },
  ]);
  return Object(answer.json()).data;
};

describe("GET /api/v1/ai/providers", () => {
  it("tells who can be asked for what, and who is not asked now", async () => {
    expect(await dataOf("/api/v1/ai/providers")).toEqual([
      { name: "openai", displayName: "OpenAI", status: "active", models: ["gpt-4o", "gpt-x"] },
      { name: "claude", displayName: "claude", status: "active", models: ["claude-sonnet-4-6"] },
      { name: "ai-service", displayName: "青羽 AI", status: "inactive", models: ["qingyu-writer", embedding] },
    ]);
  });

  it("tells of no model that the settings do not allow", async () => {
    const data = await dataOf("/api/v1/ai/providers", { QINGYU_AI_MODELS: "gpt-4*" });
    expect(data).toMatchObject([{ models: ["gpt-4o"] }, { models: [] }, { models: [] }]);
  });
});

describe("GET /api/v1/ai/models", () => {
  const modelOf = (provider: string, id: string, maxTokens: number | null = null) => ({
    id,
    name: id,
    provider,
    maxTokens,
    costPer1k: null,
  });
  const claude = modelOf("claude", "claude-sonnet-4-6");
  const all = [
    modelOf("openai", "gpt-4o", 128_000),
    modelOf("openai", "gpt-x", 128_000),
    claude,
    modelOf("ai-service", "qingyu-writer"),
    modelOf("ai-service", embedding),
  ];

  it.each([
    ["", all],
    ["?provider=", all],
    ["?provider=claude", [claude]],
    ["?provider=nobody", []],
  ])("tells of the models%s", async (query, expected) => {
    expect(await dataOf(`/api/v1/ai/models${query}`)).toEqual(expected);
  });

  it("tells of no model that the settings do not allow", async () => {
    expect(await dataOf("/api/v1/ai/models", { QINGYU_AI_MODELS: "claude-*" })).toEqual([claude]);
  });
});

describe("the platform's health routes", () => {
  it("tell how the providers are, to everyone", async () => {
    const { send } = app({ GATEWAY_API_KEYS: `a:${"0".repeat(64)}` });
    const creative = await send("/api/v1/creative/health");
    expect([creative.status, creative.text]).toEqual([
      200,
      '{"status":"degraded","checks":{"openai":"healthy","claude":"healthy","ai-service":"unhealthy"}}',
    ]);
    const before = Math.floor(Date.now() / 1000);
    const ai = await send("/api/v1/ai/health", { headers: { "x-request-id": "r" } });
    expect([ai.status, ai.json()]).toEqual([
      200,
      {
        code: 0,
        message: "部分服务不可用",
        data: { status: "degraded", timestamp: expect.any(Number), service: "ai" },
        timestamp: expect.any(Number),
        request_id: "r",
      },
    ]);
    const { timestamp } = Object(ai.json()).data;
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThanOrEqual(Date.now() / 1000);
  });

  it.each([{ ENVIRONMENT: "production" }, { AI_PROVIDERS: "ai-service", PYTHON_AI_SERVICE_URL: "https://ai.test" }])(
    "tell under 503 that nobody can be served: %j",
    async (settings) => {
      const { send } = testApp({ settings });
      const answers = await Promise.all(["/api/v1/creative/health", "/api/v1/ai/health"].map((path) => send(path)));
      expect(answers.map(({ status, json }) => [status, json()])).toMatchObject([
        [503, { status: "unhealthy", checks: {} }],
        [503, { code: 0, message: "服务不可用", data: { status: "unhealthy", service: "ai" } }],
      ]);
    },
  );
});
