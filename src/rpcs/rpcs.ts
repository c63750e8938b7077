import { charactersAuthor } from "../authors/characters.ts";
import { outlineAuthor } from "../authors/outline.ts";
import { plotAuthor } from "../authors/plot.ts";
import { storyAuthor } from "../authors/story.ts";
import { AIService } from "../gen/qingyu/ai/ai_service_pb.ts";
import { completedAgent } from "./agent.ts";
import { type Rpc, rpc, type Stage } from "./rpc.ts";

/** What the gateway asks for where a caller leaves the number of corrections open: the contract leaves that to who asks. */
const defaultReflections = 3;
/** Nobody waits longer for what is only looked up. */
const lookUpMs = 30_000;
const positiveInt32 = 2 ** 31 - 1;
/** What the AI service takes of a filter. */
const filter = { items: 1000 };

const { method } = AIService;

/**
 * The contract's RPCs, a row each; generation, embeddings and health have forms of their own (`operations/`). A row is all
 * that an RPC needs to be served over Connect, gRPC-Web and REST, with fallback, breakers, idempotency and the log line.
 */
export const rpcs: readonly Rpc[] = [
  rpc(method.queryKnowledge, {
    rules: {
      required: ["query"],
      ranges: { top_k: [0, 100] },
      sizes: {
        "filters.doc_types": filter,
        "filters.character_ids": filter,
        "filters.timeline_ids": filter,
        "filters.chapter_ids": filter,
      },
    },
    isLong: false,
    mostMs: lookUpMs,
    kept: "as knowledge",
    usualTokens: 0,
    paths: ["/ai/rag/query"],
  }),
  rpc(method.getContext, {
    rules: { required: ["project_id"] },
    isLong: false,
    mostMs: lookUpMs,
    kept: "as knowledge",
    usualTokens: 0,
    paths: ["/ai/context"],
  }),
  rpc(method.executeAgent, {
    // It becomes a header.
    rules: { required: ["workflow_type"], sizes: { "parameters.user_id": { units: 512 } } },
    isLong: true,
    user: ({ parameters }) => parameters.user_id,
    withUser: (message, user) => ({ ...message, parameters: { ...message.parameters, user_id: user } }),
    isEmpty: ({ result }) => isBlank(result),
    read: completedAgent,
    tokens: ({ tokensUsed }) => tokensUsed,
    usualTokens: 8_000,
    paths: ["/ai/agent/execute"],
  }),
  rpc(method.executeCreativeWorkflow, {
    rules: { required: ["task"], ranges: { max_reflections: [0, 10] } },
    isLong: true,
    defaults: (message) => ({ ...message, maxReflections: message.maxReflections || defaultReflections }),
    user: ({ userId }) => userId,
    withUser: (message, userId) => ({ ...message, userId }),
    isEmpty: ({ outline, characters, plot }) => hasNoChapters(outline) && hasNobody(characters) && hasNoEvents(plot),
    tokens: ({ tokensUsed }) => tokensUsed,
    stages: ({ executionTimes }) => inTheirOrder(executionTimes),
    usualTokens: 16_000,
    paths: ["/creative/workflow", "/ai/creative/workflow"],
  }),
  rpc(method.generateOutline, {
    rules: { required: ["task"] },
    isLong: true,
    user: ({ userId }) => userId,
    withUser: (message, userId) => ({ ...message, userId }),
    isEmpty: ({ outline }) => hasNoChapters(outline),
    usualTokens: 4_000,
    author: outlineAuthor,
    paths: ["/creative/outline", "/ai/creative/outline"],
  }),
  rpc(method.generateCharacters, {
    rules: { required: ["task"] },
    isLong: true,
    user: ({ userId }) => userId,
    withUser: (message, userId) => ({ ...message, userId }),
    isEmpty: ({ characters }) => hasNobody(characters),
    usualTokens: 4_000,
    author: charactersAuthor,
    paths: ["/creative/characters", "/ai/creative/characters"],
  }),
  rpc(method.generatePlot, {
    rules: { required: ["task"] },
    isLong: true,
    user: ({ userId }) => userId,
    withUser: (message, userId) => ({ ...message, userId }),
    isEmpty: ({ plot }) => hasNoEvents(plot),
    usualTokens: 6_000,
    author: plotAuthor,
    paths: ["/creative/plot", "/ai/creative/plot"],
  }),
  rpc(method.storyWrite, {
    rules: {
      required: [["assembled_prompt", "selected_text", "instruction"]],
      ranges: {
        "options.max_tokens": [0, positiveInt32],
        "options.temperature": [0, 2],
        "options.top_p": [0, 1],
        "options.presence_penalty": [-2, 2],
        "options.frequency_penalty": [-2, 2],
      },
      // As of a generation.
      sizes: { "options.model": { units: 256 }, "options.stop": { items: 16, units: 1024 } },
      values: { "options.response_format": ["text", "json_object"] },
    },
    isLong: true,
    model: ({ options }) => options?.model,
    maxTokens: ({ options }) => options?.maxTokens,
    withModel: (message, model) => (message.options ? { ...message, options: { ...message.options, model } } : message),
    isEmpty: ({ content }) => isBlank(content),
    tokens: ({ tokensUsed }) => tokensUsed,
    answeredBy: ({ model }) => model,
    withAnsweredBy: (answer, model) => ({ ...answer, model }),
    usualTokens: 2_000,
    author: storyAuthor,
    paths: [],
  }),
];

/** The RPC of one of the contract's methods. */
export function rpcOf(method: Rpc["method"]): Rpc {
  const found = rpcs.find((rpc) => rpc.method === method);
  if (!found) throw new Error(`${method.name} has no row`);
  return found;
}

/** A map has no order on the wire. Stages have names such as `outline` or `outline_agent`; those of others come last. */
function inTheirOrder(executionTimes: Readonly<Record<string, number>>): Stage[] {
  const known = ["outline", "character", "plot", "review"];
  const rank = ({ name }: Stage) => {
    const index = known.findIndex((word) => name.startsWith(word));
    return index < 0 ? known.length : index;
  };
  const stages = Object.entries(executionTimes).map(([name, seconds]) => ({ name, seconds }));
  return stages.sort((one, other) => rank(one) - rank(other));
}

interface Counted {
  readonly length: number;
}

const isBlank = (text: string) => text.trim() === "";
const hasNoChapters = (outline?: { readonly chapters: Counted }) => !outline?.chapters.length;
const hasNobody = (cast?: { readonly characters: Counted }) => !cast?.characters.length;
const hasNoEvents = (plot?: { readonly timelineEvents: Counted; readonly plotThreads: Counted }) =>
  !plot?.timelineEvents.length && !plot?.plotThreads.length;
