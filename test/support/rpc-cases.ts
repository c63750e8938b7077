import { create, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";
import { type Given, only } from "./messages.ts";

/** An RPC that has no form of its own in the gateway, and what is particular to it. */
export interface RpcCase {
  readonly name: string;
  readonly method: DescMethodUnary;
  /** What a request must have. */
  readonly required: Given;
  /** A request that has no more than that. */
  readonly request: Message;
  /** A good answer that says hardly anything. */
  readonly answer: Message;
  /** An answer that is a success by its status and has nothing in it; absent where that is an answer too. */
  readonly empty?: Message;
  /** Whether it costs minutes of a model. */
  readonly isLong: boolean;
}

const { method } = AIService;

function rpcCase(
  of: DescMethodUnary,
  { required, ...rest }: Pick<RpcCase, "required" | "answer" | "empty" | "isLong">,
): RpcCase {
  return { name: of.name, method: of, required, request: only(of.input, required), ...rest };
}

const outline = { chapters: [{ title: "夜雨" }] };
const characters = { characters: [{ name: "林青羽" }] };
const task = { task: "写一部小说" };

export const rpcCases: readonly RpcCase[] = [
  rpcCase(method.queryKnowledge, {
    required: { query: "青羽是谁？" },
    answer: create(method.queryKnowledge.output, { results: [{ content: "林青羽" }], total: 1 }),
    isLong: false,
  }),
  rpcCase(method.getContext, {
    required: { project_id: "p" },
    answer: create(method.getContext.output, { tokenCount: 1 }),
    isLong: false,
  }),
  rpcCase(method.executeAgent, {
    required: { workflow_type: "creative" },
    answer: create(method.executeAgent.output, { status: "completed", result: "{}" }),
    empty: create(method.executeAgent.output, { status: "completed", executionId: "e" }),
    isLong: true,
  }),
  rpcCase(method.executeCreativeWorkflow, {
    required: task,
    answer: create(method.executeCreativeWorkflow.output, { outline }),
    empty: create(method.executeCreativeWorkflow.output, { executionId: "e", outline: {}, characters: {}, plot: {} }),
    isLong: true,
  }),
  rpcCase(method.generateOutline, {
    required: task,
    answer: create(method.generateOutline.output, { outline }),
    empty: create(method.generateOutline.output, { outline: { title: "青羽" }, executionTime: 8 }),
    isLong: true,
  }),
  rpcCase(method.generateCharacters, {
    required: task,
    answer: create(method.generateCharacters.output, { characters }),
    empty: create(method.generateCharacters.output, { characters: { relationshipNetwork: {} } }),
    isLong: true,
  }),
  rpcCase(method.generatePlot, {
    required: task,
    answer: create(method.generatePlot.output, { plot: { plotThreads: [{ title: "复仇" }] } }),
    empty: create(method.generatePlot.output, { plot: { keyPlotPoints: {} } }),
    isLong: true,
  }),
  rpcCase(method.storyWrite, {
    required: { instruction: "续写" },
    answer: create(method.storyWrite.output, { content: "雨停了。" }),
    empty: create(method.storyWrite.output, { content: " \n", tokensUsed: 7 }),
    isLong: true,
  }),
];
