import type { Policy } from "./policy.ts";

/** A key that was made here and not in the settings. The key itself is nowhere: whoever keeps it has only its hash. */
export interface ManagedKey {
  /** Names the key and, in its beginning, its tenant. It opens nothing, and stays when the key is rotated. */
  readonly id: string;
  readonly tenant: string;
  /** What it is for, in its maker's words; empty where he said nothing. */
  readonly name: string;
  readonly state: "active" | "expired" | "revoked";
  /** In Unix milliseconds, as all times here. */
  readonly createdMs: number;
  /** Absent where it does not expire. */
  readonly expiresMs?: number;
  readonly revokedMs?: number;
  /** When it was rotated last. */
  readonly rotatedMs?: number;
  /** Until when a key that was rotated away still opens; absent where none does. */
  readonly overlapEndsMs?: number;
  /** What may be done with it; absent where its tenant's policy holds. */
  readonly policy?: Policy;
}

/** A key together with what its holder is to send, which is shown this once. */
export interface NewKey {
  readonly managed: ManagedKey;
  readonly key: string;
}

interface KeyWish {
  readonly tenant: string;
  readonly name: string;
  /** Absent: it does not expire. */
  readonly expiresInSeconds?: number;
  /** Holds in the place of the tenant's; absent: that one holds. */
  readonly policy?: Policy;
}

/**
 * The administration of managed keys. Throws a `GatewayError`: `upstream_unavailable` where it is not certain what has
 * happened, `not_found` for an id that no key has, `conflict` where the key is past that, or the tenant has too many.
 */
export interface KeyAdministration {
  make(wish: KeyWish): Promise<NewKey>;
  /** The newest first; those that open nothing any more too, as long as they are remembered. */
  list(tenant: string): Promise<readonly ManagedKey[]>;
  /** Another key in the place of the one that there was, which still opens for so long. */
  rotate(id: string, overlapSeconds: number): Promise<NewKey>;
  /** From now on it opens nothing here, in other isolates after 30 s at the latest. To say so again changes nothing. */
  revoke(id: string): Promise<ManagedKey>;
  /** Whose key an id is; undefined where it is no id. */
  tenantOf(id: string): string | undefined;
}
