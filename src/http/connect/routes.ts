import { create } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { EmbeddingRequest, Embeddings } from "../../embedding.ts";
import { AIService, HealthCheckResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { GenerationRequest } from "../../generation.ts";
import type { RpcAnswer } from "../../rpc.ts";
import { rpcs } from "../../rpcs/rpcs.ts";
import type { Gateway, GenerationAnswer, Hops } from "../../upstream.ts";
import type { Destination, Walk } from "../call.ts";
import type { Health } from "../health/health.ts";
import { requireEmbeddingLimits, requireWithinLimits } from "../limits.ts";
import { requireRpcLimits } from "../rpc-limits.ts";
import { fromEmbedRequest, toEmbedResponse } from "./embed.ts";
import { fromGenerateContentRequest, generateContentMessages, toGenerateContentResponse } from "./generate.ts";
import { serverStreaming, unary, walkOf } from "./rpc.ts";
import { rpcRoutes } from "./rpc-routes.ts";

/** What the contract calls OpenAI's parameters. */
const optionNames = Object.fromEntries(
  [
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
  ].map((name) => [name, `options.${name}`]),
);

/** The surface for typed clients: the contract itself. */
export function connectRoutes(
  config: Config,
  { generate, embed, rpc: upstreamOf }: Pick<Gateway, "generate" | "embed" | "rpc">,
  health: (hops: Hops) => Promise<Health>,
): Hono<Walk> {
  const generation: Destination<GenerationRequest, GenerationAnswer> = {
    upstream: generate,
    config,
    check: requireWithinLimits,
    names: optionNames,
  };
  const embedding: Destination<EmbeddingRequest, Embeddings> = {
    upstream: embed,
    config,
    check: requireEmbeddingLimits,
    names: { input: "texts" },
  };
  return rpcRoutes(config, (router) => {
    router.service(AIService, {
      generateContent: unary(fromGenerateContentRequest, toGenerateContentResponse, generation),
      streamGenerateContent: serverStreaming(fromGenerateContentRequest, generateContentMessages, generation),
      embedText: unary(fromEmbedRequest, toEmbedResponse, embedding),
      async healthCheck(_, context) {
        const { status, checks } = await health(walkOf(context.values).c.get("hops"));
        return create(HealthCheckResponseSchema, { status, checks });
      },
    });
    for (const rpc of rpcs) {
      const { name, mostMs } = rpc;
      const destination = {
        upstream: upstreamOf(name),
        config,
        check: requireRpcLimits(rpc),
        mostMs,
        names: optionNames,
      };
      router.rpc(
        rpc.method,
        unary(rpc.requestOf, ({ message }: RpcAnswer) => message, destination),
      );
    }
  });
}
