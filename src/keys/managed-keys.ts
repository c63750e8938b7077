import * as z from "zod/mini";
import type { Caller } from "../caller.ts";
import { GatewayError } from "../errors.ts";
import type { KeyAdministration, ManagedKey, NewKey } from "../managed-key.ts";
import type { Policy } from "../policy.ts";
import { policyShape } from "../policy-schema.ts";
import { askRegistriesIn, doneWithinMs, saidWithinMs } from "./asking.ts";
import { hashOf, isSealed, newId, newKey, readKey, sealingWith, tenantIn } from "./form.ts";
import type { KeyRegistry, Refusal, StoredKey } from "./registry.ts";
import { createRemembered } from "./remembered.ts";

/** The object that has the secret of the seals. No tenant has such a name. */
const sealingObject = ":sealing";

/** Managed keys, as one isolate knows them. */
export interface ManagedKeys extends KeyAdministration {
  /** Whose key this is, where the registry has said so a short while ago. */
  known(key: string): Caller | undefined;
  /**
   * Whose key this is; undefined where it is nobody's. What is no managed key by its form or its seal is not asked for.
   * Throws `upstream_unavailable` where the registry does not say in time.
   */
  find(key: string): Promise<Caller | undefined>;
}

/** Managed keys in objects of a namespace, one for each tenant; absent where none is bound, so that nothing can be said of any. */
export function createManagedKeys(objects: DurableObjectNamespace<KeyRegistry> | undefined): ManagedKeys {
  const ask = askRegistriesIn(objects);
  const remembered = createRemembered();
  let sealing: CryptoKey | undefined;

  /** The registry is asked once for each isolate. */
  async function sealingKey(): Promise<CryptoKey> {
    sealing ??= await sealingWith(await ask(sealingObject, (registry) => registry.sealingSecret(), saidWithinMs));
    return sealing;
  }

  async function made(id: string, store: (hash: string) => Promise<StoredKey | Refusal>): Promise<NewKey> {
    const key = await newKey(id, await sealingKey());
    return { managed: managed(id, required(await store(await hashOf(key)))), key };
  }

  return {
    known: (key) => remembered.get(key)?.caller,
    async find(key) {
      const read = readKey(key);
      if (!read) return undefined;
      const answered = remembered.get(key);
      if (answered) return answered.caller;
      if (!(await isSealed(read, await sealingKey()))) return undefined;
      const remember = remembered.asking(key, read.id);
      const hash = await hashOf(key);
      const opened = await ask(read.tenant, (registry) => registry.find(hash), saidWithinMs);
      const caller = opened && {
        tenant: read.tenant,
        roles: [],
        keyId: opened.id,
        policy: policyIn(opened.policy),
      };
      remember(caller, opened?.endsMs);
      return caller;
    },
    make: async ({ tenant, name, expiresInSeconds, ...wish }) => {
      const id = newId(tenant);
      const expiresInMs = expiresInSeconds === undefined ? undefined : 1000 * expiresInSeconds;
      const policy = wish.policy && JSON.stringify(wish.policy);
      return await made(id, (hash) =>
        ask(tenant, async (registry) => await registry.make({ id, name, expiresInMs, policy, hash }), doneWithinMs),
      );
    },
    async list(tenant) {
      const stored = await ask(tenant, (registry) => registry.list(), doneWithinMs);
      return stored.map((each) => managed(each.id, each));
    },
    async rotate(id, overlapSeconds) {
      const tenant = requiredTenant(id);
      try {
        return await made(id, (hash) =>
          ask(tenant, async (registry) => await registry.rotate(id, hash, 1000 * overlapSeconds), doneWithinMs),
        );
      } finally {
        remembered.forget(id);
      }
    },
    async revoke(id) {
      const tenant = requiredTenant(id);
      try {
        return managed(id, required(await ask(tenant, (registry) => registry.revoke(id), doneWithinMs)));
      } finally {
        remembered.forget(id);
      }
    },
    tenantOf: tenantIn,
  };
}

function requiredTenant(id: string): string {
  const tenant = tenantIn(id);
  if (tenant === undefined) throw refused("unknown");
  return tenant;
}

function required(stored: StoredKey | Refusal | undefined): StoredKey {
  if (typeof stored === "object") return stored;
  throw refused(stored ?? "unknown");
}

function refused(refusal: Refusal): GatewayError {
  switch (refusal) {
    case "unknown":
      return new GatewayError("not_found", "There is no key with this id.", { code: "key_not_found", param: "id" });
    case "inactive":
      return new GatewayError("conflict", "The key has expired or was revoked; make another one.", {
        code: "key_inactive",
        param: "id",
      });
    case "full":
      return new GatewayError("conflict", "There are as many keys as there may be; revoke one first.", {
        code: "too_many_keys",
      });
  }
}

function managed(id: string, { ...stored }: StoredKey): ManagedKey {
  const { revokedMs, expiresMs } = stored;
  const isExpired = expiresMs !== undefined && expiresMs <= Date.now();
  const state = revokedMs !== undefined ? "revoked" : isExpired ? "expired" : "active";
  return { ...stored, tenant: tenantIn(id) ?? "", state, policy: policyIn(stored.policy) };
}

const policySchema = z.strictObject(policyShape);

/** A policy as it was written down. Throws where it is none, since a key without its policy may do more than it should. */
function policyIn(text: string | undefined): Policy | undefined {
  return text === undefined ? undefined : policySchema.parse(JSON.parse(text));
}
