import type { Call } from "../../upstream.ts";
import { type Composed, parametersOf } from "../wire/additions.ts";
import { callHeaders, type Fetch, send } from "../wire/send.ts";
import { failureOf } from "../wire/told-error.ts";

export interface Endpoint {
  /** Of the API's version, for example `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly fetch: Fetch;
}

/** The header that every request has where there is a key. */
export function authorization({ apiKey }: Pick<Endpoint, "apiKey">): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

/** Sends a request. Throws the `UpstreamFailure` that an answer means which is no good one, and what `send` throws. */
export async function post(
  { baseUrl, apiKey, fetch }: Endpoint,
  path: string,
  composed: Composed,
  call: Call,
): Promise<Response> {
  const response = await send(fetch, `${baseUrl}${path}`, {
    method: "POST",
    headers: {
      ...callHeaders(call),
      "content-type": "application/json",
      ...authorization({ apiKey }),
    },
    body: JSON.stringify(composed.body),
    signal: call.signal,
  });
  if (!response.ok) throw await failureOf(response, parametersOf(composed));
  return response;
}
