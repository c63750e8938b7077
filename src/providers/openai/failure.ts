import type { JsonValue } from "../../generation.ts";
import type { UpstreamFailure } from "../../upstream-failure.ts";
import { readErrorBody } from "../wire/failure.ts";
import { retryAfterMs } from "../wire/retry-after.ts";
import { failureIn, isError, type Parameters } from "../wire/told-error.ts";

/** What an error answer of an OpenAI-type provider means (https://platform.openai.com/docs/guides/error-codes). */
export async function openAiFailure(response: Response, sent: Parameters): Promise<UpstreamFailure> {
  const waitMs = retryAfterMs(response.headers, Date.now());
  return failureIn(await readErrorBody(response), response.status, sent, waitMs);
}

/** The same for an error in a stream or in an answer of 200, which has no status of its own; undefined where it is none. */
export function errorInAnswer(value: JsonValue, sent: Parameters): UpstreamFailure | undefined {
  return isError(value) ? failureIn(value, undefined, sent) : undefined;
}
