import type { JsonValue } from "../../generation.ts";
import type { UpstreamFailure } from "../../upstream-failure.ts";
import { readErrorBody } from "../wire/failure.ts";
import { retryAfterMs } from "../wire/retry-after.ts";
import { failureIn, isError, type Parameters } from "../wire/told-error.ts";

/** What an error answer of Anthropic's means (https://docs.anthropic.com/en/api/errors). */
export async function anthropicFailure(response: Response, sent: Parameters): Promise<UpstreamFailure> {
  const { status, headers } = response;
  return failureIn(await readErrorBody(response), status, sent, retryAfterMs(headers, Date.now()));
}

/** The same for an error in a stream or in an answer of 200, which has no status of its own; undefined where it is none. */
export function errorInAnswer(value: JsonValue): UpstreamFailure | undefined {
  return isError(value) ? failureIn(value, undefined) : undefined;
}
