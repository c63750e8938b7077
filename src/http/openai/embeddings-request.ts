import * as z from "zod/mini";
import { type EmbeddingInput, type EmbeddingRequest, maxInputsPerRequest } from "../../embedding.ts";
import type { JsonValue } from "../../generation.ts";
import { isJsonList } from "../../json.ts";
import { saying } from "../../parameters.ts";
import type { Asked } from "../call.ts";
import { invalidValue } from "../invalid.ts";
import { jsonMembers, modelName, user } from "./chat-completions-request.ts";
import { refuseSteering } from "./steering.ts";

/**
 * The body of `POST /v1/embeddings` (https://platform.openai.com/docs/api-reference/embeddings/create). Only what the gateway
 * itself acts on is described; everything else is carried to the providers that understand it. Null is the same as absent.
 */
export const embeddingsRequest = z.looseObject({
  model: z.nullish(modelName).check(z.describe("Left out, the model of the setting `ai.embedding_model`.")),
  // Looked at by `inputsFrom`: a union would try every form at each of what may be 100,000 tokens.
  input: z.custom<JsonValue>((value) => value !== undefined),
  dimensions: z.nullish(z.int().check(z.positive())).check(z.describe("How many numbers a vector is to have.")),
  encoding_format: z
    .nullish(z.enum(["float", "base64"]))
    .check(z.describe("`base64`: each vector as one text, its numbers in little-endian float32.")),
  user,
});

export interface EmbeddingsCall extends Asked<EmbeddingRequest> {
  readonly encodingFormat: "float" | "base64";
}

/** The parsed body as the domain has it. Throws `invalid_request` that names the input at fault. */
export function fromEmbeddingsRequest(body: z.infer<typeof embeddingsRequest>): EmbeddingsCall {
  const { model, input, dimensions, encoding_format, user, ...rest } = body;
  refuseSteering(rest);
  return {
    stream: false,
    encodingFormat: encoding_format ?? "float",
    request: {
      model: model ?? undefined,
      inputs: inputsFrom(input),
      dimensions: dimensions ?? undefined,
      user: user ?? undefined,
      extra: saying(jsonMembers(rest), "request"),
    },
  };
}

/** A text, a list of texts, a list of tokens, or a list of lists of tokens. */
function inputsFrom(input: JsonValue): EmbeddingInput[] {
  if (!isJsonList(input)) return [inputFrom(input, "input")];
  if (input.length === 0) throw invalidValue("input", "{field} must not be empty.");
  if (typeof input[0] === "number") return [inputFrom(input, "input")];
  if (input.length > maxInputsPerRequest)
    throw invalidValue("input", "{field} must be at most {most} items long.", { most: maxInputsPerRequest });
  return input.map((item, index) => inputFrom(item, `input[${index}]`));
}

function inputFrom(value: JsonValue, param: string): EmbeddingInput {
  if (value === "" || (isJsonList(value) && value.length === 0))
    throw invalidValue(param, "{field} must not be empty.");
  if (typeof value === "string") return value;
  if (!isJsonList(value)) throw invalidValue(param, "{field} must be a text or a list of tokens.");
  return value.map((token, index) => {
    if (typeof token === "number" && Number.isSafeInteger(token) && token >= 0) return token;
    throw invalidValue(`${param}[${index}]`, "{field} must be a token, a whole number of at least 0.");
  });
}
