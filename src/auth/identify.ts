import type { Caller, Identify, WaitUntil } from "../caller.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import { type ApiKeys, apiKeysFrom, type HashedKey } from "./api-keys.ts";
import type { FetchKeys } from "./key-set.ts";
import { isLikeToken, tokensOf } from "./tokens.ts";

/** Every caller of a gateway without keys, which only `development` allows, and there only this machine's. */
const openCaller: Caller = { tenant: "development", roles: [] };

/** How many hexadecimal digits of its hash name a key of the settings. */
const keyIdDigits = 8;

/**
 * Who callers are, by the keys and the tokens that the settings know, and by managed keys. Where the settings know none
 * everyone is let in who gets here.
 */
export function createIdentify(auth: Config["auth"], managedKeys: ApiKeys, fetch: FetchKeys): Identify {
  const hashed = hashedKeys(auth);
  const keys = apiKeysFrom(hashed);
  const tokens = tokensOf(auth.jwt, fetch);
  const hasKeys = hashed.length > 0;
  if (!hasKeys && !tokens) return () => openCaller;

  async function find(credential: string, waitUntil: WaitUntil): Promise<Caller> {
    const caller = (hasKeys ? await keys.find(credential) : undefined) ?? (await managedKeys.find(credential));
    if (caller) return caller;
    if (tokens && (isLikeToken(credential) || !hasKeys)) return await tokens.verify(credential, waitUntil);
    throw new GatewayError("unauthenticated", "The API key is not known.", { code: "invalid_api_key" });
  }

  const missing = tokens
    ? "Send an API key or a token as 'Authorization: Bearer <key>'."
    : "Send an API key as 'Authorization: Bearer <key>'.";
  return (credential, waitUntil) => {
    if (credential === undefined) throw new GatewayError("unauthenticated", missing, { code: "invalid_api_key" });
    return (
      keys.known(credential) ??
      managedKeys.known(credential) ??
      tokens?.known(credential) ??
      find(credential, waitUntil)
    );
  };
}

/** The keys of tenants and those of operators. */
function hashedKeys({ apiKeys, adminKeys }: Config["auth"]): HashedKey[] {
  return [
    ...apiKeys.map(({ tenant, sha256Hex }) => {
      const keyId = sha256Hex.slice(0, keyIdDigits);
      return { caller: { tenant, roles: [], keyId }, sha256Hex };
    }),
    ...adminKeys.map(({ name, sha256Hex }): HashedKey => {
      return { caller: { tenant: "*", roles: [], keyId: name, isOperator: true }, sha256Hex };
    }),
  ];
}
