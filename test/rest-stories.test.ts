import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { StoryContextRequestSchema, StoryContextResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { aiServiceApp } from "./support/fake-ai-service.ts";

const path = "/api/v1/ai/story/generate";
const body = {
  projectId: "p",
  documentId: "d",
  mode: "rewrite",
  instruction: "写得慢一点。",
  selectedText: "雨落下来。",
};
const least = create(StoryContextResponseSchema, { content: "雨停了。" });

describe("POST /api/v1/ai/story/generate", () => {
  it.each([
    ["all that there is", body, body],
    ["what is not known", { ...body, options: { model: "x" }, assembledPrompt: "x", more: [{}] }, body],
    ["an instruction only", { ...body, selectedText: undefined }, { ...body, selectedText: "" }],
    ["a passage only", { ...body, instruction: null }, { ...body, instruction: "" }],
    [
      "nothing, to continue",
      { projectId: "p", documentId: "d", mode: "continue", selectedText: " \n" },
      { projectId: "p", documentId: "d", mode: "continue", selectedText: " \n", instruction: "请接着写下去。" },
    ],
    [
      "nothing, to suggest",
      { projectId: "p", documentId: "d", mode: "suggest", instruction: "" },
      { projectId: "p", documentId: "d", mode: "suggest", instruction: "请就后续的写作提出建议。" },
    ],
  ])("asks the service by %s", async (_, sent, expected) => {
    const app = aiServiceApp(() => least);
    const { status } = await app.post(path, sent);
    const message = create(StoryContextRequestSchema, expected);
    expect([status, app.asked]).toMatchObject([200, [{ rpc: "StoryWrite", message }]]);
  });

  it("answers with what is known", async () => {
    const story = create(StoryContextResponseSchema, {
      content: "雨停了。",
      tokensUsed: 60,
      model: "qwen-max",
      generatedAt: 1_700_000_000n,
      contextStats: { stageTokens: 9, outlineTokens: 0, ragTokens: 4, totalTokens: 13 },
    });
    const answer = await aiServiceApp(() => story).post(path, body, { "x-request-id": "r" });
    expect(answer.text.replace(/"timestamp":\d+/, '"timestamp":0')).toBe(
      '{"code":0,"message":"操作成功","data":{"content":"雨停了。",' +
        '"contextStats":{"stageTokens":9,"outlineTokens":0,"ragTokens":4,"totalTokens":13},' +
        '"tokensUsed":60,"model":"qwen-max","provider":"ai-service"},"timestamp":0,"request_id":"r"}',
    );
  });

  it.each([
    ["nothing", {}, null],
    ["zeros", { contextStats: {} }, null],
    ["the whole only", { contextStats: { totalTokens: 7 } }, 7],
  ])("answers with null for what nobody has counted: %s", async (_, more, totalTokens) => {
    const story = create(StoryContextResponseSchema, { content: "雨停了。", ...more });
    const { data } = Object((await aiServiceApp(() => story).post(path, body)).json());
    expect(data).toEqual({
      content: "雨停了。",
      contextStats: { stageTokens: null, outlineTokens: null, ragTokens: null, totalTokens },
      tokensUsed: null,
      model: "ai-service",
      provider: "ai-service",
    });
  });

  it.each([
    ["projectId", { projectId: undefined }, "missing_field"],
    ["documentId", { documentId: undefined }, "missing_field"],
    ["mode", { mode: undefined }, "missing_field"],
    ["mode", { mode: "summarise" }, "invalid_value"],
    ["projectId", { projectId: 1 }, "invalid_value"],
    ["projectId", { projectId: "长".repeat(513) }, "invalid_value"],
    ["documentId", { documentId: "长".repeat(513) }, "invalid_value"],
    ["projectId", { projectId: "" }, "invalid_value"],
    ["projectId", { projectId: " \n" }, "invalid_value"],
    ["documentId", { documentId: " " }, "invalid_value"],
    ["instruction", { instruction: 1 }, "invalid_value"],
    ["selectedText", { selectedText: ["文"] }, "invalid_value"],
    ["selectedText", { instruction: " ", selectedText: null }, "missing_field"],
  ])("names the field at fault as its callers do: %s, %j", async (param, wrong, error) => {
    const app = aiServiceApp(() => least);
    const answer = await app.post(path, { ...body, ...wrong });
    expect([answer.status, answer.json()]).toMatchObject([400, { code: 1001, data: null, error, param }]);
    expect(answer.text).toContain(`'${param}'`);
    expect(app.asked).toEqual([]);
  });

  it("passes an empty story off as none", async () => {
    const empty = create(StoryContextResponseSchema, { content: " \n", tokensUsed: 3 });
    const answer = await aiServiceApp(() => empty).post(path, body);
    expect([answer.status, answer.json()]).toMatchObject([502, { code: 5004, error: "upstream_bad_response" }]);
  });
});
