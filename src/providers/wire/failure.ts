import { readText } from "../../body.ts";
import type { JsonValue } from "../../generation.ts";
import { parseJson } from "../../json.ts";
import type { PeerReason } from "../../upstream-failure.ts";
import { wireFault } from "./send.ts";

/** An error's body is read for its codes only, so a little of it is enough. */
const maxErrorBytes = 64 * 1024;

/** An error answer's body; empty where it cannot be read. */
export async function readErrorText(response: Response): Promise<string> {
  return await readText(response, { maxBytes: maxErrorBytes, fault: wireFault }).catch(() => "");
}

/** An error answer's JSON; null where it has none: many proxies answer errors in HTML. */
export async function readErrorBody(response: Response): Promise<JsonValue> {
  const text = await readErrorText(response);
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

/** What an HTTP status says where the body does not say more. */
export function reasonOfStatus(status: number): PeerReason {
  switch (status) {
    case 401:
      return "unauthenticated";
    case 402: // the account's balance is used up (DeepSeek)
    case 403:
      return "permission_denied";
    case 404:
    case 405:
    case 410:
      return "not_found";
    case 408:
      return "deadline_exceeded";
    case 409:
      return "conflict";
    case 413:
      return "context_length_exceeded";
    case 429:
      return "rate_limited";
    case 501:
      return "unimplemented";
    case 502:
    case 503:
    case 529: // overloaded (Anthropic)
      return "unavailable";
    case 504:
      return "deadline_exceeded";
    case 508:
      return "loop_detected";
  }
  return status >= 500 ? "internal" : "invalid_request";
}
