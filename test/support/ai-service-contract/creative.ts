import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { writeCharacters, writeOutline, writePlot } from "../../../dev/embedded-author.ts";
import { runWorkflow } from "../../../dev/embedded-workflow.ts";
import {
  CharactersDataSchema,
  type CreativeWorkflowResponse,
  OutlineDataSchema,
} from "../../../src/gen/qingyu/ai/ai_service_pb.ts";
import { type ClientOf, expectSeconds, headers, texts } from "./asking.ts";

/** A title is cut within it, and it is hashed no further than its first 1000 characters. */
const longTask = "🪶 a feather and a sword ".repeat(60);
const tasks = [...texts, "写一个剑客的故事", "  A duel in the rain", longTask].map(
  (task) => [task.slice(0, 30), task] as const,
);

/** GenerateOutline, GenerateCharacters, GeneratePlot and ExecuteCreativeWorkflow; structures by the embedded author. */
export function testCreativeWork(client: ClientOf): void {
  it.each(tasks)("writes an outline, the characters for it and the plot for both: %j", async (_, task) => {
    const { outline, ...ofOutline } = await client().generateOutline({ task, projectId: "p" }, { headers });
    expect(outline).toEqual(writeOutline(task));
    const { characters, ...ofCharacters } = await client().generateCharacters({ task, outline }, { headers });
    expect(characters).toEqual(writeCharacters(task, outline));
    const { plot, ...ofPlot } = await client().generatePlot({ task, outline, characters }, { headers });
    expect(plot).toEqual(writePlot(task, outline, characters));
    for (const { executionTime } of [ofOutline, ofCharacters, ofPlot]) expectSeconds(executionTime);
  });

  it("writes in the task's language, of people that the three have in common", async () => {
    const task = "写一个剑客的故事";
    const { outline } = await client().generateOutline({ task }, { headers });
    expect(outline).toMatchObject({ title: task, genre: "长篇小说", estimatedTotalWords: 15_000 });
    expect(outline?.chapters.map(({ chapterId, title }) => [chapterId, title])).toEqual([
      [1, "第1章 相遇"],
      [2, "第2章 追寻"],
      [3, "第3章 决裂"],
      [4, "第4章 醒悟"],
      [5, "第5章 归来"],
    ]);
    const { characters } = await client().generateCharacters({ task, outline }, { headers });
    const names = characters?.characters.map(({ name }) => name);
    expect(names).toEqual(outline?.chapters[0]?.charactersInvolved);
    const { plot } = await client().generatePlot({ task, outline, characters }, { headers });
    expect(
      plot?.timelineEvents.map(({ participants, eventType, chapterId }) => [participants, eventType, chapterId]),
    ).toEqual(["铺垫", "冲突", "高潮", "转折", "结局"].map((eventType, index) => [names, eventType, index + 1]));
  });

  it("writes characters and plot without an outline", async () => {
    const [task = ""] = texts;
    const { characters } = await client().generateCharacters({ task }, { headers });
    expect(characters).toEqual(writeCharacters(task));
    const { plot } = await client().generatePlot({ task, outline: {}, characters: {} }, { headers });
    expect(plot).toEqual(writePlot(task));
    expect(plot?.timelineEvents).toHaveLength(1);
  });

  it("keeps to the caller's own chapters and cast, up to 200 and ten of them", async () => {
    const task = "Go on.";
    const outline = create(OutlineDataSchema, {
      chapters: Array.from({ length: 201 }, (_, index) => ({
        chapterId: index * 2 + 3,
        title: `T${index}`,
        summary: index === 1 ? "" : `S${index}`,
      })),
    });
    const characters = create(CharactersDataSchema, {
      characters: Array.from({ length: 11 }, (_, index) => ({ characterId: `c${index}`, name: `N${index}` })),
    });
    const written = await client().generateCharacters({ task, outline }, { headers });
    expect(written.characters).toEqual(writeCharacters(task, outline));
    const { plot } = await client().generatePlot({ task, outline, characters }, { headers });
    expect(plot).toEqual(writePlot(task, outline, characters));
    expect(plot?.timelineEvents).toHaveLength(200);
    expect(plot?.timelineEvents[1]).toMatchObject({ chapterId: 5, description: "T1", participants: { length: 10 } });
  });

  it("takes a workspace and a correction", async () => {
    const [task = ""] = texts;
    const more = {
      workspaceContext: { style: "武侠", 人称: "第三" },
      correctionPrompt: "Let it be shorter.",
      userId: "u",
    };
    const { outline } = await client().generateOutline({ task, ...more }, { headers });
    expect(outline).toEqual(writeOutline(task));
    const { characters } = await client().generateCharacters({ task, outline, ...more }, { headers });
    expect(characters).toEqual(writeCharacters(task, outline));
    const { plot } = await client().generatePlot({ task, outline, characters, ...more }, { headers });
    expect(plot).toEqual(writePlot(task, outline, characters));
  });

  it.each(tasks)("writes all three in one run, which passes its review: %j", async (_, task) => {
    expectWorkflow(await client().executeCreativeWorkflow({ task, projectId: "p" }, { headers }), task);
  });

  it.each([
    ["no rounds of correction", { maxReflections: 0 }],
    ["three, and a person at the end", { maxReflections: 3, enableHumanReview: true }],
    ["ten, in a workspace", { maxReflections: 10, workspaceContext: { style: "武侠" } }],
  ])("needs no correction, however much is allowed: %s", async (_, asked) => {
    const [task = ""] = texts;
    const answer = await client().executeCreativeWorkflow({ task, ...asked }, { headers });
    expectWorkflow(answer, task);
    expect(answer).toMatchObject({ reviewPassed: true, reflectionCount: 0 });
  });
}

/** Expects what the embedded author makes of a task; id and times are the run's own. */
export function expectWorkflow(answer: CreativeWorkflowResponse, task: string): void {
  const expected = runWorkflow(task);
  const measured = /\d+\.\d\d s$/;
  const { executionId, executionTimes } = answer;
  expect({ ...answer, reasoning: answer.reasoning.map((line) => line.replace(measured, "0.00 s")) }).toEqual({
    ...expected,
    reasoning: expected.reasoning.map((line) => line.replace(measured, "0.00 s")),
    executionId,
    executionTimes,
  });
  expect(executionId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Object.keys(executionTimes).sort()).toEqual(["characters", "outline", "plot", "review"]);
  for (const seconds of Object.values(executionTimes)) expectSeconds(seconds);
}
