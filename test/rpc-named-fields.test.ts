import { describe, expect, it } from "vitest";
import { aiServiceApp } from "./support/fake-ai-service.ts";
import { errorOf } from "./support/rpcs.ts";

const invalidArgument = 3;
const refused = "The AI provider refused the request as invalid.";

const inEnglish = { "accept-language": "en" };

describe("a field that the AI service refuses", () => {
  it.each([
    ["by its name", "/api/v1/ai/rag/query", "project_id: is empty", "project_id"],
    ["as its caller calls it", "/api/v1/ai/rag/retrieve", "project_id: is empty", "projectId"],
    ["behind the reason", "/api/v1/ai/rag/query", "invalid_request: project_id: is empty", "project_id"],
    ["within another", "/api/v1/ai/rag/query", "filters.doc_types: sk-secret", "filters.doc_types"],
    ["up to what the contract knows", "/api/v1/ai/rag/query", "filters.sk-secret: is wrong", "filters"],
  ])("is named: %s", async (_, path, words, param) => {
    const app = aiServiceApp(() => errorOf("connect", invalidArgument, words));
    const answer = await app.post(path, { query: "雨" }, inEnglish);
    expect([answer.status, answer.json()]).toMatchObject([
      400,
      { code: 1001, message: `${refused} It is about '${param}'.`, error: "invalid_request", param },
    ]);
    expect(answer.text).not.toContain("sk-secret");
  });

  it.each(["sk-secret: is wrong", "you sent sk-secret", "", "__proto__: x", "constructor: x"])(
    "is not where the contract has none: %j",
    async (words) => {
      const app = aiServiceApp(() => errorOf("connect", invalidArgument, words));
      const answer = await app.post("/api/v1/ai/rag/query", { query: "雨" }, inEnglish);
      expect(answer.json()).toMatchObject({ message: refused, error: "invalid_request" });
      expect(answer.json()).not.toHaveProperty("param");
      expect(answer.text).not.toContain("sk-secret");
    },
  );
});
