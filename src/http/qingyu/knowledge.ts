import { create } from "@bufbuild/protobuf";
import { decimalOf } from "../../decimal.ts";
import { AIService, RAGQueryRequestSchema, RAGQueryResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { RpcAnswer, RpcRequest } from "../../rpc.ts";
import { messageAs } from "../../rpcs/rpc.ts";
import { rpcOf } from "../../rpcs/rpcs.ts";
import type { Asked } from "../call.ts";
import { qingyuSuccess } from "../envelopes.ts";
import { requireRpcLimits } from "../rpc-limits.ts";
import type { Codec } from "../serve.ts";
import type { Retrieved } from "./answers.ts";
import { retrieveRequest, searchQuery } from "./requests.ts";

const rpc = rpcOf(AIService.method.queryKnowledge);

/** What the platform calls the contract's fields. */
const names = { project_id: "projectId", top_k: "topK" };

const ofBoth = { check: requireRpcLimits(rpc), mostMs: rpc.mostMs, isImpatient: true as const };

export interface RetrieveCall extends Asked<RpcRequest> {
  readonly includeOutline: boolean;
  readonly startedAtMs: number;
}

/** `POST /api/v1/ai/rag/retrieve`. */
export const retrieve: Codec<typeof retrieveRequest, RpcRequest, RpcAnswer, RetrieveCall> = {
  ...ofBoth,
  body: retrieveRequest,
  decode: ({ query, topK, projectId, includeOutline }) => ({
    ...askedFor({ query, topK: topK ?? 0, projectId: projectId ?? "" }),
    includeOutline: includeOutline ?? false,
    startedAtMs: Date.now(),
  }),
  whole: (answer, requestId, asked) => qingyuSuccess(retrieved(answer, asked), requestId),
};

/** `GET /api/v1/ai/rag/search`. */
export const search: Codec<typeof searchQuery, RpcRequest, RpcAnswer, Asked<RpcRequest>> = {
  ...ofBoth,
  isInQuery: true,
  body: searchQuery,
  decode: ({ query, topK = 5, projectId = "" }) => askedFor({ query, topK, projectId }),
  whole: (answer, requestId) => qingyuSuccess(passages(answer), requestId),
};

function askedFor(fields: { query: string; topK: number; projectId: string }): Asked<RpcRequest> {
  return { request: rpc.requestOf(create(RAGQueryRequestSchema, fields)), stream: false, names };
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
