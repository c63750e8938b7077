import { errorJson, openAiError } from "../envelopes.ts";
import type { Surface } from "../surface.ts";

/** Administration: camelCase JSON, and errors in OpenAI's form. */
export const adminSurface: Surface = {
  prefix: "/admin/",
  errorResponse: (error, { requestId }) => errorJson(error, openAiError(error, requestId)),
};
