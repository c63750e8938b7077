import { errorJson, qingyuError } from "../envelopes.ts";
import type { Surface } from "../surface.ts";

/** The Qingyu platform's own API: camelCase JSON in the platform's envelope. */
export const qingyuSurface: Surface = {
  prefix: "/api/",
  errorResponse: (error, { requestId }) => errorJson(error, qingyuError(error, requestId, Date.now())),
};
