import { GatewayError, modelNotFound } from "../errors.ts";
import type { Operation, WholeAnswer } from "../operation.ts";
import type { Offer, Provider } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import type { Breaker } from "./breaker.ts";
import { toGatewayError } from "./failures.ts";

/** A provider in the chain of an operation, with what keeps requests from it while it fails. */
export interface Member<Request, Response> {
  readonly provider: Provider;
  readonly breaker: Breaker;
  readonly offer: Offer<Request, Response>;
}

/**
 * The members that can carry a request, last those that would answer by another model. Throws a `GatewayError` where there
 * is nobody: 404 `model_not_found` where none has the model, else 400 `unsupported_parameter`, or
 * `context_length_exceeded` where it is only too long for all of them.
 */
export function ableTo<Request, Response, Whole extends WholeAnswer>(
  members: readonly Member<Request, Response>[],
  operation: Operation<Request, Whole>,
  request: Request,
): Member<Request, Response>[] {
  const rank = ({ offer }: Member<Request, Response>) => (offer.substitutes?.(request) ? 1 : 0);
  const able = members
    .filter(({ offer }) => offer.unsupported(request) === undefined)
    .sort((one, other) => rank(one) - rank(other));
  if (able.length === 0) {
    const [param] = members.map(({ offer }) => offer.unsupported(request)).filter((name) => name !== "model");
    if (param === undefined) throw modelNotFound("model");
    throw new GatewayError("invalid_request", "No configured provider supports the parameter '{param}'.", {
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
