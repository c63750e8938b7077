import type { JsonObject, Usage } from "./generation.ts";

/** A text, or the tokens of one in the model's own numbering. */
export type EmbeddingInput = string | readonly number[];

/** A validated request for vectors. What the caller left out stays out; `EmbeddingDefaults` says what is used then. */
export interface EmbeddingRequest {
  readonly model?: string;
  /** At least one, none of them empty. */
  readonly inputs: readonly EmbeddingInput[];
  /** How many numbers a vector is to have; the model's own choice where absent. */
  readonly dimensions?: number;
  readonly user?: string;
  /** Parameters of OpenAI's API that the gateway does not interpret, under their wire names, carried verbatim. */
  readonly extra?: JsonObject;
}

/** How many inputs a request may have: OpenAI's own limit, the same on every surface. */
export const maxInputsPerRequest = 2048;

/** A complete answer, all of it by one model of one provider, since vectors of different models cannot be compared. */
export interface Embeddings {
  readonly provider: string;
  readonly model: string;
  readonly createdAtMs: number;
  /** One for each input, in their order, all of one dimension. */
  readonly vectors: readonly Float32Array[];
  readonly usage?: Usage;
  /** By a model of another name than was asked for (setting ai.any_embedding_model). */
  readonly isSubstitute?: true;
}

/** Settings ai.embedding_model and ai.any_embedding_model. */
export interface EmbeddingDefaults {
  /** Used where a request names none. */
  readonly model: string;
  /** Whether a provider that does not take the model may answer by its own. */
  readonly anyModel: boolean;
}

const bytesPerNumber = 4;

/** A vector as OpenAI writes it: the base64 of its little-endian float32 numbers, which is how workerd's machines keep them. */
export function vectorToBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return new Uint8Array(buffer, byteOffset, byteLength).toBase64();
}

/** The vector again; undefined where the text is no base64 of whole numbers. */
export function vectorFromBase64(text: string): Float32Array | undefined {
  try {
    const { buffer, byteOffset, byteLength } = Uint8Array.fromBase64(text);
    return byteLength % bytesPerNumber === 0
      ? new Float32Array(buffer, byteOffset, byteLength / bytesPerNumber)
      : undefined;
  } catch {
    return undefined;
  }
}
