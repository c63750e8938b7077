import type { EmbeddingDefaults, EmbeddingInput, EmbeddingRequest, Embeddings } from "../embedding.ts";
import type { Usage } from "../generation.ts";
import { matchesPattern } from "../model-pattern.ts";
import type { Call, Offer } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import { usageOf } from "../usage.ts";

/** What decides for which models a provider embeds. */
export interface EmbeddingRules {
  /** Patterns of the names that it takes; absent where it embeds nothing. */
  readonly embeddingModels?: readonly string[];
  readonly embedding: EmbeddingDefaults;
}

/** What one call may ask for. */
interface BatchLimits {
  readonly maxInputs: number;
  /** All inputs of a call together, in UTF-16 units or tokens. */
  readonly maxUnits: number;
}

/** A call's part of an answer. */
export interface Batch {
  /** One for each input of the call, in their order. */
  readonly vectors: readonly Float32Array[];
  /** The model as the provider named it, where it did. */
  readonly model?: string;
  readonly usage?: Usage;
}

/** How a provider embeds. */
export interface Embedder {
  readonly provider: string;
  /** The first parameter of the request that it cannot carry, the model's name aside. */
  readonly unsupported: (request: EmbeddingRequest) => string | undefined;
  readonly limitsFor: (request: EmbeddingRequest) => BatchLimits;
  /** Asks for some of a request's inputs. Throws `UpstreamFailure`s only. */
  readonly askFor: (batch: BatchRequest, call: Call) => Promise<Batch>;
}

/** Some of a request's inputs, and the model that is asked for their vectors. */
export interface BatchRequest extends EmbeddingRequest {
  readonly model: string;
}

/** So many calls of one attempt run at once. */
const callsAtOnce = 3;

/**
 * A provider's offer to embed: absent where it takes no model at all. A request is split to the provider's limits and
 * put together again in order; one call that fails, fails them all.
 */
export function embedOffer(
  rules: EmbeddingRules,
  { provider, unsupported, limitsFor, askFor }: Embedder,
): Offer<EmbeddingRequest, Embeddings> | undefined {
  const { embeddingModels, embedding } = rules;
  if (!embeddingModels) return undefined;
  const namesFor = (request: EmbeddingRequest) => {
    const asked = request.model ?? embedding.model;
    return { asked, taken: takenFor(asked, embeddingModels, embedding) };
  };
  return {
    unsupported: (request) => (namesFor(request).taken === undefined ? "model" : unsupported(request)),
    substitutes(request) {
      const { asked, taken } = namesFor(request);
      return taken !== asked;
    },
    async ask(request, call) {
      const { asked, taken } = namesFor(request);
      if (taken === undefined) throw UpstreamFailure.peer("model_not_found");
      const batches = split(request.inputs, limitsFor(request));
      const answers = await allOf(batches, async (inputs) => {
        const batch = await askFor({ ...request, inputs, model: taken }, call);
        if (batch.vectors.length !== inputs.length) throw UpstreamFailure.wire("malformed");
        return batch;
      });
      const vectors = answers.flatMap((batch) => batch.vectors);
      requireOneDimension(vectors, request.dimensions);
      return {
        provider,
        model: modelOf(answers) ?? taken,
        createdAtMs: Date.now(),
        vectors,
        usage: sumOf(answers),
        ...(taken !== asked && { isSubstitute: true }),
      };
    },
  };
}

/** The name by which a provider is asked: its own first one only where any will do. */
function takenFor(asked: string, models: readonly string[], { anyModel }: EmbeddingDefaults): string | undefined {
  if (models.some((pattern) => matchesPattern(asked, pattern))) return asked;
  return anyModel ? models.find((name) => !name.includes("*")) : undefined;
}

function split(inputs: readonly EmbeddingInput[], { maxInputs, maxUnits }: BatchLimits): EmbeddingInput[][] {
  const batches: EmbeddingInput[][] = [];
  let batch: EmbeddingInput[] = [];
  let units = 0;
  for (const input of inputs) {
    if (batch.length === maxInputs || (batch.length > 0 && units + input.length > maxUnits)) {
      batches.push(batch);
      batch = [];
      units = 0;
    }
    batch.push(input);
    units += input.length;
  }
  return [...batches, batch];
}

/** What `ask` gives for each, a few at once. Where one fails, the attempt's end aborts the others. */
async function allOf<Item, Result>(items: readonly Item[], ask: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  const left = items.entries();
  const work = async () => {
    for (const [at, item] of left) results[at] = await ask(item);
  };
  await Promise.all(Array.from({ length: callsAtOnce }, work));
  return results;
}

/** Throws `UpstreamFailure` wire `malformed` unless all are of one length above 0, the one that was asked for, and hold numbers. */
function requireOneDimension(vectors: readonly Float32Array[], asked: number | undefined): void {
  const dimension = asked ?? vectors[0]?.length ?? 0;
  const isWhole = (vector: Float32Array) => vector.length === dimension && vector.every(Number.isFinite);
  if (dimension === 0 || !vectors.every(isWhole)) throw UpstreamFailure.wire("malformed");
}

/** Throws `UpstreamFailure` wire `malformed` where different models have answered. */
function modelOf(batches: readonly Batch[]): string | undefined {
  const [model, ...others] = new Set(batches.map((batch) => batch.model));
  if (others.length > 0) throw UpstreamFailure.wire("malformed");
  return model;
}

/** What all calls cost; unknown where one of them does not say. An embedding has no completion. */
function sumOf(batches: readonly Batch[]): Usage | undefined {
  let [promptTokens, totalTokens] = [0, 0];
  for (const { usage } of batches) {
    if (!usage?.split) return undefined;
    promptTokens += usage.split.promptTokens;
    totalTokens += usage.totalTokens;
  }
  return usageOf({ totalTokens, promptTokens, completionTokens: 0 });
}
