import type { GatewayError } from "../../errors.ts";
import { errorJson, qingyuError } from "../envelopes.ts";
import { languageOf } from "../language.ts";
import type { Surface } from "../surface.ts";

/** The Qingyu platform's own API: camelCase JSON in the platform's envelope. */
export const qingyuSurface: Surface = {
  prefix: "/api/",
  errorResponse(error, { request, requestId }) {
    const language = languageOf(request.headers);
    const response = errorJson(error, qingyuError(error, language, requestId, Date.now()), statusOf(error));
    response.headers.set("content-language", language);
    return response;
  },
};

/** After a 401 the platform's clients log their user out; a token that has only expired they renew at any other status. */
function statusOf({ code }: GatewayError): number | undefined {
  return code === "token_expired" ? 403 : undefined;
}
