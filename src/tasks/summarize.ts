import { type Summary, SummarySchema } from "../gen/qingyu/writing/structures_pb.ts";
import { tokensFor } from "./length.ts";
import type { StructuredTask } from "./structured-task.ts";

export const summaryTypes = ["brief", "detailed", "keypoints"] as const;

export type SummaryWish = {
  readonly text: string;
  readonly type: (typeof summaryTypes)[number];
  /** In characters. */
  readonly maxLength: number;
  readonly includeQuotes: boolean;
  readonly context?: string;
};

interface SummaryResult {
  readonly summary: string;
  readonly keyPoints: readonly string[];
}

const instructions = `你是小说编辑，为作者概括他的文字。
summary 用连贯的叙述写明谁做了什么、为何、结果如何，按原文的先后，不加评价，不写原文没有的事。
keyPoints 列出最重要的情节点，每条一句话。用原文的语言回答。`;

const manners = {
  brief: "概括要简短，只留主线。",
  detailed: "概括要详细，保留重要的细节、转折与人物的变化。",
  keypoints: "以要点为主：keyPoints 尽量完整，summary 只用一两句话。",
};

/** What key points may take beside a summary, with the JSON around both. */
const keyPointsTokens = 2_000;

/** A text in short. */
export const summarizeTask: StructuredTask<SummaryWish, typeof SummarySchema, SummaryResult> = {
  name: "summarize",
  type: SummarySchema,
  temperature: 0.3,
  maxTokens: ({ maxLength }) => tokensFor(maxLength) + keyPointsTokens,
  partUnits: 24_000,
  text: ({ text }) => text,
  instructions: ({ type, maxLength, includeQuotes }) =>
    [
      instructions,
      manners[type],
      `summary 不超过${maxLength}字。`,
      includeQuotes ? "可以逐字引用一两句原文，放在引号里。" : "不要引用原文的句子。",
    ].join("\n"),
  material: ({ context = "" }) => ({ ...(context.trim() !== "" && { 作者的说明: context }) }),
  settle: ({ summary }) => (summary.trim() === "" ? ["summary: is empty"] : []),
  digest,
  result: (parts) => ({
    summary: parts.map(({ written }) => written.summary.trim()).join("\n\n"),
    keyPoints: parts.flatMap(({ written }) => written.keyPoints),
  }),
};

function digest({ summary, keyPoints }: Summary): string {
  return [summary, ...keyPoints.map((point) => `- ${point}`)].join("\n");
}
