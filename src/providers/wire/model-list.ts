import { readText } from "../../body.ts";
import { isJsonList, isJsonObject } from "../../json.ts";
import type { Hops } from "../../upstream.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";
import { parseAnswer } from "./json.ts";
import { type Fetch, hopsHeader, send, wireFault } from "./send.ts";

/** The largest lists have the price and a description of hundreds of models. */
const maxListBytes = 2 * 1024 * 1024;
const maxModels = 2_000;

export interface ListRequest {
  readonly fetch: Fetch;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly hops: Hops;
}

/**
 * The models that a provider lists in OpenAI's form (https://platform.openai.com/docs/api-reference/models/list) or
 * Anthropic's, by name. Throws `UpstreamFailure`, also where it has more than it says.
 */
export async function modelList({ fetch, url, headers, signal, hops }: ListRequest): Promise<readonly string[]> {
  const response = await send(fetch, url, { headers: { ...headers, ...hopsHeader(hops) }, signal });
  if (!response.ok) {
    await response.body?.cancel();
    throw UpstreamFailure.peer("not_found");
  }
  const answer = parseAnswer(await readText(response, { maxBytes: maxListBytes, fault: wireFault }));
  const { data, has_more } = isJsonObject(answer) ? answer : {};
  if (!isJsonList(data) || has_more === true || data.length > maxModels) throw UpstreamFailure.wire("malformed");
  return data.map((model) => isJsonObject(model) && model.id).filter((name) => typeof name === "string");
}
