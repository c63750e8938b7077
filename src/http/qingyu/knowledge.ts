import { create } from "@bufbuild/protobuf";
import { decimalOf } from "../../decimal.ts";
import { AIService, RAGQueryRequestSchema, RAGQueryResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { Language } from "../../language.ts";
import type { RpcAnswer, RpcRequest } from "../../rpc.ts";
import { messageAs } from "../../rpcs/rpc.ts";
import { rpcOf } from "../../rpcs/rpcs.ts";
import type { Asked } from "../call.ts";
import { languageOf } from "../language.ts";
import { requireRpcLimits } from "../rpc-limits.ts";
import type { Codec } from "../serve.ts";
import type { Retrieved } from "./answers.ts";
import { inEnvelope } from "./form.ts";
import { retrieveRequest, searchQuery } from "./requests.ts";

const rpc = rpcOf(AIService.method.queryKnowledge);

/** What the platform calls the contract's fields. */
const names = { project_id: "projectId", top_k: "topK" };

const ofBoth = { check: requireRpcLimits(rpc), mostMs: rpc.mostMs, isImpatient: true as const };

interface KnowledgeCall extends Asked<RpcRequest> {
  readonly language: Language;
}

export interface RetrieveCall extends KnowledgeCall {
  readonly includeOutline: boolean;
  readonly startedAtMs: number;
}

/** `POST /api/v1/ai/rag/retrieve`. */
export const retrieve: Codec<typeof retrieveRequest, RpcRequest, RpcAnswer, RetrieveCall> = {
  ...ofBoth,
  body: retrieveRequest,
  decode: ({ query, topK, projectId, includeOutline }, headers) => ({
    ...askedFor({ query, topK: topK ?? 0, projectId: projectId ?? "" }, headers),
    includeOutline: includeOutline ?? false,
    startedAtMs: Date.now(),
  }),
  whole: (answer, requestId, asked) => inEnvelope(retrieved(answer, asked), asked.language, requestId, "done"),
};

/** `GET /api/v1/ai/rag/search`. */
export const search: Codec<typeof searchQuery, RpcRequest, RpcAnswer, KnowledgeCall> = {
  ...ofBoth,
  isInQuery: true,
  body: searchQuery,
  decode: ({ query, topK = 5, projectId = "" }, headers) => askedFor({ query, topK, projectId }, headers),
  whole: (answer, requestId, { language }) => inEnvelope(passages(answer), language, requestId, "found"),
};

function askedFor(fields: { query: string; topK: number; projectId: string }, headers: Headers): KnowledgeCall {
  const message = create(RAGQueryRequestSchema, fields);
  return { request: rpc.requestOf(message), stream: false, names, language: languageOf(headers) };
}

/**
 * What was found, as an answer of the platform's: the passages themselves, since nobody's model has been asked to make one
 * answer of them. Outlines are among them only where the caller wants them.
 */
export function retrieved(
  { message }: Pick<RpcAnswer, "message">,
  { includeOutline, startedAtMs }: Pick<RetrieveCall, "includeOutline" | "startedAtMs">,
): Retrieved {
  const found = messageAs(RAGQueryResponseSchema, message).results;
  const wanted = includeOutline ? found : found.filter(({ docType }) => docType !== "outline");
  return {
    answer: wanted.map(({ content }) => content).join("\n\n"),
    sources: wanted.map(({ content }) => content),
    results: wanted.map(({ id, content, score, docType, metadata }) => ({
      id,
      content,
      score: Number.isFinite(score) ? decimalOf(score) : null,
      docType,
      metadata,
    })),
    references: [...new Set(wanted.map(({ id, metadata }) => metadata.title || id))],
    tokensUsed: 0,
    executionTime: Date.now() - startedAtMs,
  };
}

/** The texts that were found, the nearest first. */
export function passages({ message }: Pick<RpcAnswer, "message">): string[] {
  return messageAs(RAGQueryResponseSchema, message).results.map(({ content }) => content);
}
