import { mediaType } from "../../body.ts";
import { vectorFromBase64 } from "../../embedding.ts";
import type { JsonObject, JsonValue, Usage } from "../../generation.ts";
import { isJsonList, isJsonObject } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { usageOf } from "../../usage.ts";
import type { Batch, BatchRequest, Embedder } from "../embeddings.ts";
import { modelNameIn } from "../model.ts";
import { optionalMember, parseAnswer } from "../wire/json.ts";
import { maxAnswerBytes, readAnswer } from "../wire/send.ts";
import { type Endpoint, post } from "./post.ts";

/** What OpenAI itself takes (https://platform.openai.com/docs/api-reference/embeddings/create): inputs, and tokens of all together. */
const [maxInputs, maxTokens] = [2048, 300_000];
/** No tokenizer makes more of a UTF-16 unit: its bytes in UTF-8. */
const tokensPerUnit = 3;
/** A number of a vector with what stands around it, in an answer that is indented. */
const bytesPerNumber = 32;
/** More numbers than a vector of any model in use has, where the caller does not say how many. */
const mostDimensions = 4096;

const nothing: ReadonlySet<string> = new Set();

/** OpenAI's embeddings. */
export function embedder(options: Endpoint & { readonly name: string }): Embedder {
  return {
    provider: options.name,
    unsupported: () => undefined,
    limitsFor: ({ dimensions = mostDimensions }) => ({
      maxInputs: Math.min(maxInputs, Math.max(1, Math.floor(maxAnswerBytes / (dimensions * bytesPerNumber)))),
      maxUnits: maxTokens / tokensPerUnit,
    }),
    async askFor(request, call) {
      const response = await post(options, "/embeddings", { body: requestBody(request), added: nothing }, call);
      if (mediaType(response.headers) !== "application/json") throw UpstreamFailure.wire("malformed");
      return await readAnswer(response, call, (text) => batchFrom(parseAnswer(text), request.inputs.length));
    },
  };
}

/**
 * A list also of one text, as the client libraries send it: not every server takes a bare one. Numbers come as the server
 * likes to write them, since some servers refuse `encoding_format`.
 */
function requestBody({ model, inputs, dimensions, user, extra }: BatchRequest): JsonObject {
  return {
    ...extra,
    model,
    input: inputs,
    ...optionalMember("dimensions", dimensions),
    ...optionalMember("user", user),
  };
}

/** An answer's vectors in the order of the inputs. Throws `UpstreamFailure` wire `malformed`. */
function batchFrom(value: JsonValue, count: number): Batch {
  if (!isJsonObject(value) || !isJsonList(value.data) || value.data.length !== count) throw malformed();
  const items = value.data.map((item) => {
    if (!isJsonObject(item)) throw malformed();
    return [item.index, vectorFrom(item.embedding)] as const;
  });
  // There are as many items as inputs, so an index that stands twice leaves a hole.
  const vectors = new Map(items);
  const inOrder = Array.from({ length: count }, (_, index) => {
    const vector = vectors.get(index);
    if (!vector) throw malformed();
    return vector;
  });
  return { vectors: inOrder, model: modelNameIn(value.model), usage: usageFrom(value.usage) };
}

function vectorFrom(value: JsonValue | undefined): Float32Array {
  const vector = typeof value === "string" ? vectorFromBase64(value) : isNumbers(value) && Float32Array.from(value);
  if (!vector) throw malformed();
  return vector;
}

function isNumbers(value: JsonValue | undefined): value is readonly number[] {
  return isJsonList(value) && value.every((item) => typeof item === "number");
}

function usageFrom(value: JsonValue | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  return usageOf({ promptTokens: value.prompt_tokens, completionTokens: 0, totalTokens: value.total_tokens });
}

function malformed(): UpstreamFailure {
  return UpstreamFailure.wire("malformed");
}
