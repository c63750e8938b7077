import { decimalOf } from "../../decimal.ts";
import { type EmbeddingRequest, type Embeddings, vectorToBase64 } from "../../embedding.ts";
import { requireEmbeddingLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { type EmbeddingsCall, embeddingsRequest, fromEmbeddingsRequest } from "./embeddings-request.ts";

/** `POST /v1/embeddings` (https://platform.openai.com/docs/api-reference/embeddings). */
export const embeddings: Codec<typeof embeddingsRequest, EmbeddingRequest, Embeddings, EmbeddingsCall> = {
  body: embeddingsRequest,
  decode: fromEmbeddingsRequest,
  check: requireEmbeddingLimits,
  pieces: embeddingList,
};

/** OpenAI's list of `embedding` objects, one at a time, since all of them may come to many megabytes. */
export function* embeddingList(
  { vectors, model, usage }: Embeddings,
  { encodingFormat }: Pick<EmbeddingsCall, "encodingFormat">,
): Generator<string> {
  yield '{"object":"list","data":[';
  for (const [index, vector] of vectors.entries()) {
    const embedding =
      encodingFormat === "base64" ? vectorToBase64(vector) : Array.from(vector, (number) => decimalOf(number, 8));
    yield `${index > 0 ? "," : ""}${JSON.stringify({ object: "embedding", index, embedding })}`;
  }
  // Null where the provider did not report it.
  const tokens = usage?.split && { prompt_tokens: usage.split.promptTokens, total_tokens: usage.totalTokens };
  yield `],"model":${JSON.stringify(model)},"usage":${JSON.stringify(tokens ?? null)}}`;
}
