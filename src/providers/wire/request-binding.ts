import { UpstreamFailure } from "../../upstream-failure.ts";
import type { Fetch } from "./send.ts";

/**
 * Holds a provider to our `x-request-id`, so that no caller gets an answer to somebody else's request. Most providers put
 * ids of their own into that header; one that has ever answered with ours is one that echoes it, and a good answer of it
 * with another id is discarded. Throws `UpstreamFailure` wire `mismatched`, and what `fetch` throws.
 */
export function boundToRequest(fetch: Fetch): Fetch {
  let echoes = false;
  return async (url, init) => {
    const response = await fetch(url, init);
    const answeredId = response.headers.get("x-request-id");
    if (answeredId === null || !response.ok) return response;
    const sentId = init.headers["x-request-id"];
    if (answeredId === sentId) echoes = true;
    else if (echoes && sentId) {
      await response.body?.cancel();
      throw UpstreamFailure.wire("mismatched");
    }
    return response;
  };
}
