import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { EmbeddingRequest, Embeddings } from "../../embedding.ts";
import { AIService, HealthCheckResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { GenerationRequest } from "../../generation.ts";
import type { Gateway, GenerationAnswer } from "../../upstream.ts";
import type { Destination, Walk } from "../call.ts";
import type { Health } from "../health/health.ts";
import { requireEmbeddingLimits, requireWithinLimits } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { fromEmbedRequest, toEmbedResponse } from "./embed.ts";
import { fromGenerateContentRequest, generateContentMessages, toGenerateContentResponse } from "./generate.ts";
import { universalRequest } from "./request.ts";
import { streamedResponse, wholeResponse } from "./response.ts";
import { noteRefusal, type RpcWalk, rpcWalkKey, serverStreaming, unary } from "./rpc.ts";
import { connectErrorResponse } from "./surface.ts";

const fieldNames = { prompt: "prompt", maxTokens: "options.max_tokens", model: "options.model" };

/** The surface for typed clients: the contract itself over Connect and gRPC-Web. Methods that it does not have are `unimplemented`. */
export function connectRoutes(
  config: Config,
  { generate, embed }: Pick<Gateway, "generate" | "embed">,
  health: () => Promise<Health>,
): Hono<Walk> {
  const generation: Destination<GenerationRequest, GenerationAnswer> = {
    upstream: generate,
    config,
    check: (request) => requireWithinLimits(request, config, fieldNames),
  };
  const embedding: Destination<EmbeddingRequest, Embeddings> = {
    upstream: embed,
    config,
    check: (request) => requireEmbeddingLimits(request, config, { input: "texts", model: "model" }),
  };
  const { handlers } = createConnectRouter({
    grpc: false,
    acceptCompression: [],
    readMaxBytes: config.limits.bodyBytes,
    requestGate: noteRefusal,
  }).service(AIService, {
    generateContent: unary(fromGenerateContentRequest, toGenerateContentResponse, generation),
    streamGenerateContent: serverStreaming(fromGenerateContentRequest, generateContentMessages, generation),
    embedText: unary(fromEmbedRequest, toEmbedResponse, embedding),
    async healthCheck() {
      const { status, dependencies } = await health();
      const checks = Object.fromEntries(Object.entries(dependencies).map(([name, { status }]) => [name, status]));
      return create(HealthCheckResponseSchema, { status, checks });
    },
  });
  const handlersByPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));

  const routes = new Hono<Walk>();
  routes.post("/:method", async (c) => {
    const record = c.get("record");
    const handler = handlersByPath.get(c.req.path);
    if (!handler) {
      record.error = codeToString(Code.Unimplemented);
      return connectErrorResponse(c.req.raw, new ConnectError("The method does not exist.", Code.Unimplemented));
    }
    const walk: RpcWalk = { c };
    const contextValues = createContextValues().set(rpcWalkKey, walk);
    const answer = await handler({ ...universalRequest(c.req.raw), contextValues });
    if (answer.status === 415) record.error = "unsupported_media_type";
    if (handler.method.methodKind === "unary") return await wholeResponse(answer, record);
    const { batchMs } = config.stream;
    return streamedResponse(answer, { record, onLeave: () => walk.leave?.(), batchMs });
  });
  routes.all("/:method", allowOnly("POST"));
  return routes;
}
