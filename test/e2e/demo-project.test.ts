import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RunningAiService, startAiService } from "../../dev/ai-service.ts";
import documents from "../../dev/demo-project.json" with { type: "json" };
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";

let service: RunningAiService;
beforeAll(async () => {
  service = await startAiService({ port: 0 });
});
afterAll(async () => await service.close());

const projectId = "demo-project";
const client = () =>
  createClient(AIService, createConnectTransport({ baseUrl: service.url, httpVersion: "1.1", useBinaryFormat: true }));

it.each([
  ["a chapter by its id", { chapterIds: ["chapter-2"], docTypes: ["chapter"] }, ["chapter-2"]],
  ["what belongs to a chapter", { chapterIds: ["chapter-1"] }, ["chapter-1", "outline-1"]],
  ["where somebody appears", { characterIds: ["gu-changfeng"] }, ["chapter-1", "chapter-2", "gu-changfeng"]],
  ["no events", { timelineIds: ["e"] }, []],
])("the stand-in finds in its demo project %s", async (_, filters, ids) => {
  const { results, total } = await client().queryKnowledge({ projectId, query: "旧信", filters, topK: 100 });
  expect(results.map(({ metadata }) => metadata.document_id).sort()).toEqual(ids);
  expect(total).toBe(ids.length);
  for (const { content, metadata } of results) {
    const document = documents.find(({ id }) => id === metadata.document_id);
    expect([content, metadata.title, metadata.passage]).toEqual([document?.text, document?.title, "0"]);
  }
});

it("finds first what is likest to the query, at most as much as is wanted", async () => {
  const found = async (query: string, topK: number) => {
    const { results } = await client().queryKnowledge({ projectId, query, topK });
    return results.map(({ metadata }) => metadata.document_id);
  };
  expect(await found("城南的井台上长着一棵石榴树", 1)).toEqual(["chapter-2"]);
  expect(await found("自小在江边长大", 0)).toHaveLength(5);
});

it.each([
  ["chapter-2", "continue_writing", ["chapter-1"]],
  ["chapter-2", "review_content", ["chapter-1", "chapter-2"]],
  ["chapter-1", "continue_writing", []],
  ["", "create_chapter", ["chapter-1", "chapter-2"]],
])("knows what comes before chapter %j, for %s", async (chapterId, taskType, ids) => {
  const { context, tokenCount } = await client().getContext({ projectId, chapterId, taskType });
  expect(context?.previousChapters.map(({ id }) => id)).toEqual(ids);
  expect(context?.activeCharacters.map(({ name }) => name)).toEqual(["林青羽", "顾长风"]);
  expect(context?.outlineNodes).toHaveLength(1);
  expect(tokenCount).toBeGreaterThan(100);
});
