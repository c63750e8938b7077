import { create } from "@bufbuild/protobuf";
import type { ChatRequest } from "../chat.ts";
import { AIService, RAGQueryRequestSchema, RAGQueryResponseSchema } from "../gen/qingyu/ai/ai_service_pb.ts";
import type { RpcAnswer, RpcRequest } from "../rpc.ts";
import { messageAs } from "../rpcs/rpc.ts";
import { rpcOf } from "../rpcs/rpcs.ts";
import type { Call, Upstream } from "../upstream.ts";

const rpc = rpcOf(AIService.method.queryKnowledge);

/** The RPC that knowledge is asked for by. */
export const knowledgeRpc = rpc.name;

/** So many passages are asked for. */
const topK = 6;

/** What is known of a message's project, the nearest first; nothing where that is not wanted or cannot be had. */
export async function knowledgeFor(
  { useContext, projectId, message }: ChatRequest,
  upstream: Upstream<RpcRequest, RpcAnswer>,
  call: Call,
): Promise<string[]> {
  if (!useContext || projectId === undefined) return [];
  try {
    const request = rpc.requestOf(create(RAGQueryRequestSchema, { query: message, topK, projectId }));
    const answer = await upstream(request, call);
    const { results } = messageAs(RAGQueryResponseSchema, answer.message);
    return results.map(({ content }) => content.trim()).filter((content) => content !== "");
  } catch {
    return [];
  }
}
