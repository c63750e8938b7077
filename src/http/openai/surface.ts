import { errorJson, openAiError } from "../envelopes.ts";
import type { Surface } from "../surface.ts";

/** OpenAI's API, which its official SDKs can use with only `base_url` changed. */
export const openAiSurface: Surface = {
  prefix: "/v1/",
  errorResponse: (error, { requestId }) => errorJson(error, openAiError(error, requestId)),
};
