import type { Caller, Identify, WaitUntil } from "../caller.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import { apiKeysFrom } from "./api-keys.ts";
import type { FetchKeys } from "./key-set.ts";
import { isLikeToken, tokensOf } from "./tokens.ts";

/** Every caller of a gateway without keys, which only `development` allows, and there only this machine's. */
const openCaller: Caller = { tenant: "development", roles: [] };

/** Who callers are, by the keys and the tokens that the settings know. Where they know none everyone is let in who gets here. */
export function createIdentify({ apiKeys, jwt }: Config["auth"], fetch: FetchKeys): Identify {
  const keys = apiKeysFrom(apiKeys);
  const tokens = tokensOf(jwt, fetch);
  const hasKeys = apiKeys.length > 0;
  if (!hasKeys && !tokens) return () => openCaller;

  async function find(credential: string, waitUntil: WaitUntil): Promise<Caller> {
    const caller = hasKeys ? await keys.find(credential) : undefined;
    if (caller) return caller;
    if (tokens && (isLikeToken(credential) || !hasKeys)) return await tokens.verify(credential, waitUntil);
    throw new GatewayError("unauthenticated", "The API key is not known.", { code: "invalid_api_key" });
  }

  const missing = tokens
    ? "Send an API key or a token as 'Authorization: Bearer <key>'."
    : "Send an API key as 'Authorization: Bearer <key>'.";
  return (credential, waitUntil) => {
    if (credential === undefined) throw new GatewayError("unauthenticated", missing, { code: "invalid_api_key" });
    return keys.known(credential) ?? tokens?.known(credential) ?? find(credential, waitUntil);
  };
}
