import { create, type DescMessage, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import { AIService } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { ContractMessage } from "../../rpc.ts";
import type { Rpc } from "../../rpcs/rpc.ts";
import { createdAtMs, model, prompt } from "./examples.ts";

/** What an RPC is asked and answers in the document. */
interface Example {
  readonly request: ContractMessage;
  readonly answer: ContractMessage;
}

/** The example of an RPC. Throws where there is none. */
export function exampleOf({ method }: Rpc): Example {
  const found = examples.get(method);
  if (!found) throw new Error(`${method.name} has no example`);
  return found;
}

const task = "写一部关于青羽的仙侠小说，约三十万字。";
const outline = {
  title: "青羽",
  genre: "仙侠",
  coreTheme: "归来",
  targetAudience: "青年读者",
  estimatedTotalWords: 300_000,
  chapters: [
    {
      chapterId: 1,
      title: "夜雨",
      summary: "少年在青石巷拾到一片青羽。",
      keyEvents: ["拾羽"],
      charactersInvolved: ["林青羽"],
      conflictType: "内心冲突",
      emotionalTone: "清冷",
      estimatedWordCount: 3000,
      chapterGoal: "引出青羽",
      cliffhanger: "檐角的灯灭了。",
    },
  ],
  storyArc: { setup: [1] },
};
const characters = {
  characters: [
    {
      characterId: "lin",
      name: "林青羽",
      roleType: "protagonist",
      importance: "major",
      age: 17,
      personality: { traits: ["坚韧"] },
      motivation: "查明青羽的来历",
      firstAppearance: 1,
      chaptersInvolved: [1],
    },
  ],
  relationshipNetwork: {
    alliances: [{ members: ["林青羽", "沈灯"] }],
    conflicts: [{ parties: ["林青羽", "夜行人"] }],
    mentorships: [{ mentor: "沈灯", student: "林青羽" }],
  },
};
const plot = {
  timelineEvents: [
    {
      eventId: "e1",
      title: "拾羽",
      participants: ["林青羽"],
      eventType: "铺垫",
      impact: { onPlot: "青羽现世", onCharacters: { 林青羽: "离家" } },
      chapterId: 1,
    },
  ],
  plotThreads: [{ threadId: "t1", title: "青羽的来历", type: "main", events: ["e1"], startingEvent: "e1" }],
  keyPlotPoints: { incitingIncident: "e1" },
};
const project = { task, projectId: "qingyu" };

const { method } = AIService;
const examples = new Map([
  example(
    method.queryKnowledge,
    { query: "青羽是谁的", projectId: "qingyu", topK: 5 },
    {
      results: [
        {
          id: "lin:0",
          content: "林青羽，少年剑客，寡言。",
          score: 0.82,
          docType: "character",
          metadata: { document_id: "lin", title: "林青羽" },
        },
      ],
      total: 1,
    },
  ),
  example(
    method.getContext,
    { projectId: "qingyu", chapterId: "12", taskType: "continue_writing" },
    {
      taskType: "continue_writing",
      context: {
        previousChapters: [{ id: "11", title: "夜雨", summary: "少年拾到一片青羽。", order: 11 }],
        worldSettings: { id: "w", name: "青石城", settings: { 天气: "多雨" } },
      },
      tokenCount: 60,
    },
  ),
  example(
    method.executeAgent,
    { workflowType: "creative", projectId: "qingyu", parameters: { task, user_id: "u1" } },
    { executionId: "d290f1ee", status: "completed", result: '{"title":"青羽"}', tokensUsed: 1200 },
  ),
  example(
    method.executeCreativeWorkflow,
    { ...project, maxReflections: 3 },
    {
      executionId: "d290f1ee-6c54-4b01-90e6-d701748f0851",
      reviewPassed: true,
      reflectionCount: 1,
      outline,
      characters,
      plot,
      diagnosticReport: { passed: true, qualityScore: 86, correctionStrategy: "none" },
      reasoning: ["大纲完整。"],
      executionTimes: { outline: 8.1, characters: 10.4, plot: 12.7 },
      tokensUsed: 5210,
    },
  ),
  example(method.generateOutline, project, { outline, executionTime: 8.1 }),
  example(method.generateCharacters, { ...project, outline }, { characters, executionTime: 10.4 }),
  example(method.generatePlot, { ...project, outline, characters }, { plot, executionTime: 12.7 }),
  example(
    method.storyWrite,
    { projectId: "qingyu", documentId: "12", mode: "continue", selectedText: prompt, options: { model } },
    {
      content: "抬头望见檐角一盏将熄的灯。",
      tokensUsed: 60,
      model,
      generatedAt: BigInt(createdAtMs / 1000),
      contextStats: { stageTokens: 16, outlineTokens: 20, ragTokens: 6, totalTokens: 42 },
    },
  ),
]);

function example<I extends DescMessage, O extends DescMessage>(
  described: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  answer: MessageInitShape<O>,
): [DescMethodUnary, Example] {
  return [described, { request: create(described.input, request), answer: create(described.output, answer) }];
}
