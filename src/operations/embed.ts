import * as z from "zod/mini";
import {
  type EmbeddingDefaults,
  type EmbeddingRequest,
  type Embeddings,
  vectorFromBase64,
  vectorToBase64,
} from "../embedding.ts";
import type { Lifetimes, Limits, Operation } from "../operation.ts";
import { promptTokensAbout } from "../token-count.ts";
import { storedUsage } from "./stored-usage.ts";

export interface EmbedOptions {
  readonly defaults: EmbeddingDefaults;
  readonly limits: Limits;
  readonly lifetimes: Lifetimes;
  /** `user`: callers of one tenant share answers only where they name the same end user. */
  readonly scope: "tenant" | "user";
}

/** Vectors for texts, whole or not at all. */
export function embedOperation({
  defaults,
  limits,
  lifetimes,
  scope,
}: EmbedOptions): Operation<EmbeddingRequest, Embeddings> {
  return {
    name: "embed",
    modelOf: ({ model = "" }) => model,
    /** A field that is added to `EmbeddingRequest` does not compile until it is classified here. */
    meaning: (request, caller): Record<keyof EmbeddingRequest, unknown> => ({
      model: request.model ?? defaults.model,
      inputs: request.inputs,
      dimensions: request.dimensions,
      user: scope === "user" ? (caller.user ?? request.user) : undefined,
      extra: request.extra,
    }),
    isEmpty: ({ vectors }) => vectors.length === 0,
    storage: {
      // Kept, a substitute's vectors would go on being given out beside those of the model itself.
      isStorable: ({ isSubstitute }) => !isSubstitute,
      toJson: ({ vectors, ...rest }) => ({ ...rest, vectors: vectors.map(vectorToBase64) }),
      fromJson(value) {
        const stored = storedSchema.safeParse(value).data;
        const vectors = stored?.vectors.map(vectorFromBase64).filter((vector) => vector !== undefined);
        return stored && vectors?.length === stored.vectors.length ? { ...stored, vectors } : undefined;
      },
    },
    lifetimes,
    mayRetry: true,
    limits,
    estimate({ inputs }) {
      const texts = inputs.filter((input) => typeof input === "string");
      const tokens = inputs.reduce((sum, input) => sum + (typeof input === "string" ? 0 : input.length), 0);
      const promptTokens = promptTokensAbout(texts, inputs.length) + tokens;
      return { promptTokens, completionTokens: 0, isGuess: false };
    },
    tokensIn: () => 0,
  };
}

const count = z.int().check(z.nonnegative());
const storedSchema = z.object({
  provider: z.string(),
  model: z.string(),
  createdAtMs: count,
  // A number in decimal is three times as long, and in the base64 of its bytes it stays what it is.
  vectors: z.array(z.string()),
  usage: z.optional(storedUsage),
  isSubstitute: z.optional(z.literal(true)),
});
