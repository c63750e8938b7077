import { GatewayError } from "../errors.ts";
import type { Purge } from "../upstream.ts";
import type { KeyOf } from "./key.ts";
import type { Entries } from "./storage/entries.ts";
import type { Epochs } from "./storage/epochs.ts";

/**
 * Forgets a tenant's answers: those to one request by its key, all of them by the tenant's epoch. Throws a `GatewayError`
 * 503 `cache_unavailable` where the store fails, since the caller must know that nothing was forgotten.
 */
export function purgeFrom(entries: Entries, epochs: Epochs, keyOf: KeyOf): Purge {
  return async (tenant, request) => {
    try {
      if (request) await entries.drop(await keyOf(tenant, request), tenant);
      else await epochs.advance(tenant);
    } catch (cause) {
      throw new GatewayError("upstream_unavailable", "The cache could not be purged.", {
        code: "cache_unavailable",
        cause,
      });
    }
  };
}
