import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ContextResponseSchema, RAGQueryResponseSchema } from "../../../src/gen/qingyu/ai/ai_service_pb.ts";
import { type ClientOf, headers } from "./asking.ts";

/** QueryKnowledge and GetContext, of a project of which nothing is known. */
export function testKnowledge(client: ClientOf): void {
  it.each([
    ["as many as the service wants", { topK: 0 }],
    ["as many as may be", { topK: 100 }],
    ["by filters", { topK: 3, filters: { docTypes: ["chapter", "world"], characterIds: ["c"], chapterIds: ["1"] } }],
  ])("finds nothing where nothing is known: %s", async (_, asked) => {
    const answer = await client().queryKnowledge({ query: "青羽是谁？", projectId: "p", ...asked }, { headers });
    expect(answer).toEqual(create(RAGQueryResponseSchema, { results: [], total: 0 }));
  });

  it.each(["continue_writing", "create_chapter", "review_content", "anything", ""])(
    "has an empty context where nothing is known: %j",
    async (taskType) => {
      const answer = await client().getContext({ projectId: "p", chapterId: "7", taskType }, { headers });
      expect(answer).toEqual(create(ContextResponseSchema, { taskType, context: {}, tokenCount: 0 }));
    },
  );

  it("says how it is, to callers without a token too", async () => {
    const { status, checks } = await client().healthCheck({});
    expect(status).toBe("healthy");
    expect(Object.values(checks)).toContain("ok");
  });
}
