import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AIService,
  RAGQueryRequestSchema,
  RAGQueryResponseSchema,
  type RAGResult,
} from "../gen/qingyu/ai/ai_service_pb.ts";
import type { RpcAnswer, RpcRequest } from "../rpc.ts";
import type { Call, Upstream } from "../upstream.ts";
import { messageAs } from "./rpc.ts";
import { rpcOf } from "./rpcs.ts";

const rpc = rpcOf(AIService.method.queryKnowledge);

/** What was found of a project. */
export type Passage = RAGResult;

/** Searches what is known of a project, the nearest first. Throws what asking throws. */
export type SearchKnowledge = (
  query: MessageInitShape<typeof RAGQueryRequestSchema>,
  call: Call,
) => Promise<readonly Passage[]>;

/** A search for what is of use to another answer, by the upstreams of RPCs that are asked beside a request. */
export function knowledgeSearch(upstreamOf: (name: string) => Upstream<RpcRequest, RpcAnswer>): SearchKnowledge {
  const upstream = upstreamOf(rpc.name);
  return async (query, call) => {
    const answer = await upstream(rpc.requestOf(create(RAGQueryRequestSchema, query)), call);
    return messageAs(RAGQueryResponseSchema, answer.message).results;
  };
}
