import type { GatewayError } from "../../errors.ts";
import { errorJson, qingyuError } from "../envelopes.ts";
import type { Surface } from "../surface.ts";

/** The Qingyu platform's own API: camelCase JSON in the platform's envelope. */
export const qingyuSurface: Surface = {
  prefix: "/api/",
  errorResponse: (error, { requestId }) => errorJson(error, qingyuError(error, requestId, Date.now()), statusOf(error)),
};

/** After a 401 the platform's clients log their user out; a token that has only expired they renew at any other status. */
function statusOf({ code }: GatewayError): number | undefined {
  return code === "token_expired" ? 403 : undefined;
}
