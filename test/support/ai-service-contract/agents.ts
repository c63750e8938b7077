import { fromJsonString } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { tokensOfWork, writeOutline } from "../../../dev/embedded-author.ts";
import { write } from "../../../dev/embedded-writer.ts";
import { CreativeWorkflowResponseSchema, OutlineDataSchema } from "../../../src/gen/qingyu/ai/ai_service_pb.ts";
import { type ClientOf, headers } from "./asking.ts";
import { expectWorkflow } from "./creative.ts";

const tasks = ["写一个剑客的故事", "A duel in the rain"];

/** ExecuteAgent, with each workflow that there is. */
export function testAgents(client: ClientOf): void {
  it.each(["creative", "a2a_pipeline"].flatMap((type) => tasks.map((task) => [type, task] as const)))(
    "runs the whole workflow: %s, %j",
    async (workflowType, task) => {
      const parameters = { task, user_id: "u" };
      const answer = await client().executeAgent({ workflowType, projectId: "p", parameters }, { headers });
      const workflow = fromJsonString(CreativeWorkflowResponseSchema, answer.result);
      expectWorkflow(workflow, task);
      expect(answer).toMatchObject({ status: "completed", errors: [], tokensUsed: workflow.tokensUsed });
      expect(answer.executionId).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.executionId).not.toBe(workflow.executionId);
    },
  );

  it.each(tasks)("writes an outline: %j", async (task) => {
    const asked = { workflowType: "outline_generation", parameters: { prompt: task } };
    const { status, result, tokensUsed } = await client().executeAgent(asked, { headers });
    const outline = writeOutline(task);
    expect(fromJsonString(OutlineDataSchema, result)).toEqual(outline);
    expect([status, tokensUsed]).toEqual(["completed", tokensOfWork(task, OutlineDataSchema, outline)]);
  });

  it.each([
    ["chat", "写一个剑客的故事"],
    ["writing", "A duel in the rain"],
  ])("writes text: %s, %j", async (workflowType, task) => {
    const asked = { workflowType, parameters: { task: "", message: task } };
    const { status, result, tokensUsed } = await client().executeAgent(asked, { headers });
    const { pieces, promptTokens } = write({ prompt: task, maxTokens: 0, stop: [] });
    expect(JSON.parse(result)).toEqual({ content: pieces.join(""), model: "embedded" });
    expect([status, tokensUsed]).toEqual(["completed", promptTokens + pieces.length]);
  });

  it("takes the task before the prompt, and the prompt before the message", async () => {
    const contentOf = async (parameters: Record<string, string>) => {
      const { result } = await client().executeAgent({ workflowType: "chat", parameters }, { headers });
      return JSON.parse(result).content;
    };
    const written = (prompt: string) => write({ prompt, maxTokens: 0, stop: [] }).pieces.join("");
    expect(await contentOf({ message: "甲", prompt: "乙乙", task: "丙丙丙" })).toBe(written("丙丙丙"));
    expect(await contentOf({ message: "甲", prompt: "乙乙" })).toBe(written("乙乙"));
  });
}
