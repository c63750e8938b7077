import type { Caller } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import type { Operation, WholeAnswer } from "../operation.ts";
import type { Digest } from "./storage/key.ts";

/** How long a key stands for its answer. */
export const keptForSeconds = 86_400;

/** What a caller asks under a key. */
export interface KeyClaim {
  readonly tenant: string;
  /** Of tenant, key and the user whom a token names. */
  readonly name: string;
  /** Of tenant, operation and request. */
  readonly fingerprint: string;
}

export interface KeyClaimOptions<Request, Whole extends WholeAnswer> {
  readonly digest: Digest;
  readonly operation: Operation<Request, Whole>;
  readonly caller: Caller;
  readonly idempotencyKey: string;
}

/** What a request under a key claims. The keys of all operations are one set. */
export async function claimOf<Request, Whole extends WholeAnswer>(
  { digest, operation, caller: { tenant, user }, idempotencyKey }: KeyClaimOptions<Request, Whole>,
  request: Request,
): Promise<KeyClaim> {
  const [name, fingerprint] = await Promise.all([
    digest(user === undefined ? [tenant, idempotencyKey] : [tenant, idempotencyKey, user]),
    digest([tenant, operation.name, operation.fingerprint?.(request) ?? request]),
  ]);
  return { tenant, name, fingerprint };
}

/** What a caller is told whose key stands for another request. */
export function keyReused(): GatewayError {
  return new GatewayError("conflict", "The header 'idempotency-key' stands for another request already.", {
    code: "idempotency_key_reused",
    param: "idempotency-key",
  });
}
