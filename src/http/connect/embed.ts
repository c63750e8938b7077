import { create } from "@bufbuild/protobuf";
import * as z from "zod/mini";
import { type EmbeddingRequest, type Embeddings, maxInputsPerRequest } from "../../embedding.ts";
import { type EmbedRequest, type EmbedResponse, EmbedResponseSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { requireValid } from "../invalid.ts";

/** What an `EmbedRequest` must hold beyond its types. */
export const embedContents = z.object({
  texts: z.array(z.string().check(z.minLength(1))).check(z.minLength(1), z.maxLength(maxInputsPerRequest)),
  model: z.string().check(z.maxLength(256)),
});

/** The contract's request as the domain has it. Throws `invalid_request` that names the field. */
export function fromEmbedRequest(message: EmbedRequest): EmbeddingRequest {
  const { texts, model } = requireValid(embedContents, message);
  return { inputs: texts, model: model || undefined };
}

/** The vectors as the contract has them, which has no place for model and usage. */
export function toEmbedResponse({ vectors }: Embeddings): EmbedResponse {
  return create(EmbedResponseSchema, {
    embeddings: vectors.map((vector) => ({ vector: Array.from(vector), dimension: vector.length })),
  });
}
