import { AIService } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { rpcs } from "../../rpcs/rpcs.ts";
import type { Provider } from "../../upstream.ts";
import { type EmbeddingRules, embedOffer } from "../embeddings.ts";
import { namedModels } from "../model.ts";
import { hopsHeader } from "../wire/send.ts";
import { createService, type ServiceOptions } from "./client.ts";
import { embedder } from "./embed.ts";
import { type GenerateOptions, generateOffer } from "./generate.ts";
import { rpcOffer } from "./rpc.ts";

export interface AiServiceOptions extends ServiceOptions, GenerateOptions, EmbeddingRules {
  readonly contextTokens?: number;
}

/** The Qingyu platform's Python AI service (proto/qingyu/ai/ai_service.proto) over Connect or gRPC-Web. */
export function aiService(options: AiServiceOptions): Provider {
  const service = createService(options);
  const { unary, authorization } = service;
  return {
    name: options.name,
    contextTokens: options.contextTokens,
    namedModels: namedModels(options),
    offers: {
      generate: generateOffer(service, options),
      embed: embedOffer(options, embedder(service, options.name)),
      rpcs: new Map(rpcs.map((rpc) => [rpc.name, rpcOffer(service, rpc, options)])),
    },
    async probe(signal, hops) {
      const { status } = await unary(
        AIService.method.healthCheck,
        {},
        {
          signal,
          headers: { ...authorization, ...hopsHeader(hops) },
        },
      );
      return status === "healthy" || status === "degraded" ? status : "unhealthy";
    },
  };
}
