import type { EmbeddingRequest } from "../../embedding.ts";
import { AIService, type EmbedResponse } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import type { Embedder } from "../embeddings.ts";
import type { Service } from "./client.ts";

/**
 * What one call asks for at most: a model that runs beside the service takes seconds for so many texts, and their vectors
 * are far below what an answer may have.
 */
const batchLimits = { maxInputs: 128, maxUnits: 100_000 };

const method = AIService.method.embedText;

/** The service's embeddings: of texts, in the model's own dimension. It does not say what they cost, nor which model it was. */
export function embedder({ unary, ask, callOptions }: Service, provider: string): Embedder {
  return {
    provider,
    unsupported,
    limitsFor: () => batchLimits,
    async askFor({ model, inputs, user }, call) {
      const texts = inputs.filter((input) => typeof input === "string");
      const { embeddings } = await ask(method, () => unary(method, { texts, model }, callOptions(call, user)));
      return { vectors: embeddings.map(vectorFrom) };
    },
  };
}

function unsupported({ inputs, dimensions, extra }: EmbeddingRequest): string | undefined {
  if (inputs.some((input) => typeof input !== "string")) return "input";
  return dimensions === undefined ? Object.keys(extra ?? {})[0] : "dimensions";
}

/** Deployed services answer with vectors that are empty, or shorter than they say. */
function vectorFrom({ vector, dimension }: EmbedResponse["embeddings"][number]): Float32Array {
  if (dimension !== 0 && dimension !== vector.length) throw UpstreamFailure.wire("malformed");
  return Float32Array.from(vector);
}
