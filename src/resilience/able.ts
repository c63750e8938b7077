import { GatewayError } from "../errors.ts";
import type { Operation, WholeAnswer } from "../operation.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import { toGatewayError } from "./failures.ts";
import type { Member } from "./first-available.ts";

/**
 * The members that can carry a request. Throws a `GatewayError` 400 where there is nobody: `unsupported_parameter`, or
 * `context_length_exceeded` where it is only too long for all of them.
 */
export function ableTo<Request, Response, Whole extends WholeAnswer>(
  members: readonly Member<Request, Response>[],
  operation: Operation<Request, Whole>,
  request: Request,
): Member<Request, Response>[] {
  const able = members.filter(({ offer }) => offer.unsupported(request) === undefined);
  if (able.length === 0) {
    const param = members[0]?.offer.unsupported(request);
    throw new GatewayError("invalid_request", `No configured provider supports the parameter '${param}'.`, {
      code: "unsupported_parameter",
      param,
    });
  }
  if (!operation.fewestTokens || able.every(({ provider }) => provider.contextTokens === undefined)) return able;
  const tokens = operation.fewestTokens(request);
  const roomy = able.filter(({ provider }) => tokens <= (provider.contextTokens ?? tokens));
  if (roomy.length === 0) throw toGatewayError(UpstreamFailure.peer("context_length_exceeded"));
  return roomy;
}
