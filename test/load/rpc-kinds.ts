import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";

const { generateOutline, queryKnowledge, storyWrite } = AIService.method;

/** Those of the contract's RPCs that a load run asks for. */
export type RpcName = "outline" | "knowledge" | "story";

/** Whether a word names one. */
export const isRpcName = (word: string): word is RpcName => Object.hasOwn(rpcKinds, word);

/** One of them: how a caller asks for it over REST, and how a back end answers it. */
interface RpcKind {
  readonly path: string;
  readonly bodyOf: (wish: { readonly tenant: string; readonly prompt: string }) => object;
  /** Whether it costs minutes of a model: then it can be had as events, and nobody may be asked for it twice. */
  readonly isLong: boolean;
  /** Whether an answer that says nothing is an answer too. */
  readonly mayBeEmpty: boolean;
  /** Where the answer stands in what comes as JSON, and where in an event. */
  readonly place: readonly (string | number)[];
  readonly placeInEvent: readonly (string | number)[];
  /** An AI service's message that says this. */
  readonly answer: (content: string) => Uint8Array;
  /** What a language model in the AI service's place says. */
  readonly written: (content: string) => string;
}

function bytesOf<Desc extends DescMessage>(type: Desc, fields: MessageInitShape<Desc>): Uint8Array {
  return toBinary(type, create(type, fields));
}

const chapters = [{ chapterId: 1, title: "夜雨", summary: "夜雨落在青石巷。" }];

export const rpcKinds: Readonly<Record<RpcName, RpcKind>> = {
  outline: {
    path: "/api/v1/creative/outline",
    bodyOf: ({ tenant, prompt }) => ({ task: prompt, user_id: tenant, project_id: "p" }),
    isLong: true,
    mayBeEmpty: false,
    place: ["outline", "title"],
    placeInEvent: ["outline", "title"],
    answer: (title) => bytesOf(generateOutline.output, { outline: { title, chapters } }),
    written: (title) => JSON.stringify({ title, chapters }),
  },
  knowledge: {
    path: "/api/v1/ai/rag/query",
    bodyOf: ({ prompt }) => ({ query: prompt, projectId: "p" }),
    isLong: false,
    mayBeEmpty: true,
    place: ["data", "results", 0, "content"],
    placeInEvent: [],
    answer: (content) => bytesOf(queryKnowledge.output, { results: [{ content }] }),
    written: (content) => content,
  },
  story: {
    path: "/api/v1/ai/story/generate",
    bodyOf: ({ tenant, prompt }) => ({
      projectId: "p",
      documentId: "d",
      mode: "continue",
      // It has no place for a user, and a language model is told of nobody else.
      selectedText: tenant,
      instruction: prompt,
    }),
    isLong: true,
    mayBeEmpty: false,
    place: ["data", "content"],
    placeInEvent: ["content"],
    answer: (content) => bytesOf(storyWrite.output, { content }),
    written: (content) => content,
  },
};

/** What can be asked for by what stands first in the chain: without an AI service nobody knows anything of a project. */
export const rpcsOf: Readonly<Record<"openai" | "ai-service", readonly RpcName[]>> = {
  openai: ["outline", "story"],
  "ai-service": ["outline", "knowledge", "story"],
};
