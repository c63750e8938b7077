import type { GenerationRequest } from "../../generation.ts";
import type { GenerationAnswer } from "../../upstream.ts";
import type { Asked } from "../call.ts";
import { requireWithinLimits } from "../limits.ts";
import type { Codec } from "../serve.ts";
import { generateAnswer, generateEncoder } from "./encode.ts";
import { fromGenerateRequest, generateRequest } from "./request.ts";

const fieldNames = { prompt: "prompt", maxTokens: "options.maxTokens", model: "options.model" };

/** `POST /api/v1/ai/generate`. */
export const generate: Codec<typeof generateRequest, GenerationRequest, GenerationAnswer, Asked<GenerationRequest>> = {
  body: generateRequest,
  decode: (body, headers) => ({
    request: fromGenerateRequest(body),
    stream: body.options?.stream ?? acceptsEvents(headers.get("accept") ?? ""),
  }),
  check: (request, config) => requireWithinLimits(request, config, fieldNames),
  whole: generateAnswer,
  encoder: generateEncoder,
};

function acceptsEvents(accept: string): boolean {
  return accept.split(",").some((range) => range.split(";", 1)[0]?.trim().toLowerCase() === "text/event-stream");
}
