import { UpstreamFailure } from "../../upstream-failure.ts";
import type { Fetch } from "./send.ts";

/** How long a provider that has echoed an id is held to it. */
const echoesForMs = 60_000;

/**
 * Holds a provider to our `x-request-id`, so that no caller gets an answer to somebody else's request. Most providers put
 * ids of their own into that header; one that has answered with ours in the last minute is one that echoes it, and a good
 * answer of it with another id is discarded. The ids are the gateway's own (`attempt`): one that a caller had chosen could
 * be what a provider says anyway. Throws `UpstreamFailure` wire `mismatched`, and what `fetch` throws.
 */
export function boundToRequest(fetch: Fetch): Fetch {
  let echoesUntilMs = 0;
  return async (url, init) => {
    const response = await fetch(url, init);
    const answeredId = response.headers.get("x-request-id");
    const sentId = init.headers["x-request-id"];
    if (answeredId === null || sentId === undefined || !response.ok) return response;
    if (answeredId === sentId) {
      echoesUntilMs = Date.now() + echoesForMs;
    } else if (Date.now() < echoesUntilMs) {
      await response.body?.cancel();
      throw UpstreamFailure.wire("mismatched");
    }
    return response;
  };
}
