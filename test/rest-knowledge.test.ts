import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { RAGQueryRequestSchema, RAGQueryResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { aiServiceApp } from "./support/fake-ai-service.ts";
import { errorOf } from "./support/rpcs.ts";

const found = create(RAGQueryResponseSchema, {
  results: [
    { id: "lin:0", content: "林青羽，少年剑客。", score: 0.8, docType: "character", metadata: { title: "林青羽" } },
    { id: "o:1", content: "第一章：夜雨", score: 0.7, docType: "outline", metadata: { title: "大纲" } },
    { id: "lin:1", content: "寡言。", score: Number.NaN, docType: "character", metadata: { title: "林青羽" } },
    { id: "x:0" },
  ],
  total: 4,
});
const nothing = create(RAGQueryResponseSchema);
const asked = (fields: object) => [{ rpc: "QueryKnowledge", message: create(RAGQueryRequestSchema, fields) }];
const withoutTimes = (text: string) => text.replace(/"(executionTime|timestamp)":\d+/g, '"$1":0');

describe("POST /api/v1/ai/rag/retrieve", () => {
  const path = "/api/v1/ai/rag/retrieve";
  const source = (...[index, score]: [number, number | null]) => {
    const { id = "", content = "", docType = "", metadata = {} } = found.results[index] ?? {};
    return { id, content, score, docType, metadata };
  };

  it.each([
    [
      "each field",
      { query: "青羽", topK: 7, projectId: "p", includeOutline: true },
      { query: "青羽", topK: 7, projectId: "p" },
    ],
    ["the least", { query: "青羽" }, { query: "青羽" }],
    ["zeros", { query: "青羽", topK: 0, projectId: "", includeOutline: false }, { query: "青羽" }],
    ["nulls", { query: "青羽", topK: null, projectId: null, includeOutline: null }, { query: "青羽" }],
    ["what is not known", { query: "青羽", top_k: 3, filters: { docTypes: ["x"] } }, { query: "青羽" }],
  ])("asks the service by %s", async (_, body, fields) => {
    const app = aiServiceApp(() => nothing);
    expect([(await app.post(path, body)).status, app.asked]).toMatchObject([200, asked(fields)]);
  });

  it("answers with the passages, and outlines only to who wants them", async () => {
    const app = aiServiceApp(() => found);
    const answer = await app.post(path, { query: "青羽" }, { "x-request-id": "r" });
    const results = [source(0, 0.8), source(2, null), source(3, 0)];
    const sources = ["林青羽，少年剑客。", "寡言。", ""];
    const data = { answer: "林青羽，少年剑客。\n\n寡言。\n\n", sources, results, references: ["林青羽", "x:0"] };
    const rest = ',"tokensUsed":0,"executionTime":0},"timestamp":0,"request_id":"r"}';
    expect(withoutTimes(answer.text)).toBe(
      `{"code":0,"message":"操作成功","data":${JSON.stringify(data).slice(0, -1)}${rest}`,
    );
    const { data: all } = Object((await app.post(path, { query: "青羽", includeOutline: true })).json());
    expect(all).toMatchObject({
      answer: "林青羽，少年剑客。\n\n第一章：夜雨\n\n寡言。\n\n",
      sources: ["林青羽，少年剑客。", "第一章：夜雨", "寡言。", ""],
      results: [source(0, 0.8), source(1, 0.7), source(2, null), source(3, 0)],
      references: ["林青羽", "大纲", "x:0"],
    });
  });

  it("answers with nothing where nothing was found", async () => {
    const { text } = await aiServiceApp(() => nothing).post(path, { query: "青羽" });
    const data = '{"answer":"","sources":[],"results":[],"references":[],"tokensUsed":0,"executionTime":0}';
    expect(withoutTimes(text)).toContain(`"data":${data},`);
  });

  it.each([
    ["query", {}, "missing_field"],
    ["query", { query: " " }, "missing_field"],
    ["query", { query: 1 }, "invalid_value"],
    ["topK", { query: "青羽", topK: 101 }, "invalid_value"],
    ["topK", { query: "青羽", topK: -1 }, "invalid_value"],
    ["topK", { query: "青羽", topK: "5" }, "invalid_value"],
    ["projectId", { query: "青羽", projectId: "长".repeat(513) }, "invalid_value"],
    ["includeOutline", { query: "青羽", includeOutline: "yes" }, "invalid_value"],
  ])("names the field at fault: %s, %j", async (param, body, error) => {
    const app = aiServiceApp(() => nothing);
    const answer = await app.post(path, body);
    expect([answer.status, answer.json()]).toMatchObject([400, { code: 1001, error, param }]);
    expect(app.asked).toEqual([]);
  });
});

describe("GET /api/v1/ai/rag/search", () => {
  const path = "/api/v1/ai/rag/search";

  it.each([
    ["query=%E9%9D%92%E7%BE%BD&topK=7&projectId=p", { query: "青羽", topK: 7, projectId: "p" }],
    ["query=青+羽&more=1&_t=1700000000000", { query: "青 羽", topK: 5 }],
    ["query=a&topK=100&projectId=", { query: "a", topK: 100 }],
    ["query=a&topK=1", { query: "a", topK: 1 }],
  ])("asks the service by ?%s", async (query, fields) => {
    const app = aiServiceApp(() => nothing);
    expect([(await app.send(`${path}?${query}`)).status, app.asked]).toMatchObject([200, asked(fields)]);
  });

  it.each([
    [found, '["林青羽，少年剑客。","第一章：夜雨","寡言。",""]'],
    [nothing, "[]"],
  ])("answers with texts", async (answered, data) => {
    const answer = await aiServiceApp(() => answered).send(`${path}?query=a`, { headers: { "x-request-id": "r" } });
    expect(withoutTimes(answer.text)).toBe(
      `{"code":0,"message":"获取成功","data":${data},"timestamp":0,"request_id":"r"}`,
    );
  });

  it.each([
    ["query", "", "missing_field"],
    ["query", "query=", "invalid_value"],
    ["query", "query=%20", "missing_field"],
    ["topK", "query=a&topK=0", "invalid_value"],
    ["topK", "query=a&topK=101", "invalid_value"],
    ["topK", "query=a&topK=5.5", "invalid_value"],
    ["topK", "query=a&topK=many", "invalid_value"],
    ["projectId", `query=a&projectId=${"p".repeat(513)}`, "invalid_value"],
  ])("names what is wrong: %s of ?%s", async (param, query, error) => {
    const app = aiServiceApp(() => nothing);
    const answer = await app.send(`${path}?${query}`);
    expect([answer.status, answer.json()]).toMatchObject([400, { code: 1001, error, param }]);
    expect(app.asked).toEqual([]);
  });

  it("tells of a failure in the envelope", async () => {
    const app = aiServiceApp(() => errorOf("connect", Code.Unavailable, "Traceback"), {
      QINGYU_DEADLINES_REQUEST_MS: "900",
    });
    const answer = await app.send(`${path}?query=a`);
    expect([answer.status, answer.json()]).toMatchObject([503, { code: 5002, error: "upstream_unavailable" }]);
  });

  it("is kept as long as the settings say", async () => {
    const app = aiServiceApp(() => found, { QINGYU_CACHE_KNOWLEDGE_SECONDS: "60" });
    const query = crypto.randomUUID();
    const first = await app.send(`${path}?query=${query}`);
    const again = await app.send(`${path}?query=${query}`);
    expect([first.headers.get("x-cache"), again.headers.get("x-cache")]).toEqual(["MISS", "HIT"]);
    expect(app.asked).toHaveLength(1);
  });
});
