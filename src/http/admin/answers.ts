import * as z from "zod/mini";
import type { ManagedKey, NewKey } from "../../managed-key.ts";
import { policyShape } from "../../policy-schema.ts";

/** What administration answers: its encoders' types and its description. */

const time = z.nullable(z.iso.datetime());

export const KeyAnswer = z.object({
  id: z.string().check(z.describe("Names the key, in the log too; opens nothing, and stays when the key is rotated.")),
  tenant: z.string(),
  name: z.string(),
  state: z.enum(["active", "expired", "revoked"]),
  createdAt: z.iso.datetime(),
  expiresAt: time.check(z.describe("Null where it does not expire.")),
  revokedAt: time,
  rotatedAt: time,
  overlapEndsAt: time.check(z.describe("Until when a key that was rotated away still opens.")),
  policy: z.nullable(z.strictObject(policyShape)).check(z.describe("Null where its tenant's policy holds.")),
});
type KeyAnswer = z.infer<typeof KeyAnswer>;

export const NewKeyAnswer = z.extend(KeyAnswer, {
  key: z.string().check(z.describe("What its holder sends. It is shown this once, and kept nowhere.")),
});
type NewKeyAnswer = z.infer<typeof NewKeyAnswer>;

export const KeyList = z.object({ data: z.array(KeyAnswer).check(z.describe("The newest first.")) });
type KeyList = z.infer<typeof KeyList>;

export function keyAnswer(key: ManagedKey): KeyAnswer {
  return {
    id: key.id,
    tenant: key.tenant,
    name: key.name,
    state: key.state,
    createdAt: timeOf(key.createdMs),
    expiresAt: timeOrNull(key.expiresMs),
    revokedAt: timeOrNull(key.revokedMs),
    rotatedAt: timeOrNull(key.rotatedMs),
    overlapEndsAt: timeOrNull(key.overlapEndsMs),
    policy: key.policy ? { ...key.policy, models: key.policy.models && [...key.policy.models] } : null,
  };
}

export function newKeyAnswer({ managed, key }: NewKey): NewKeyAnswer {
  return { ...keyAnswer(managed), key };
}

export function keyList(keys: readonly ManagedKey[]): KeyList {
  return { data: keys.map(keyAnswer) };
}

const timeOf = (ms: number) => new Date(ms).toISOString();
const timeOrNull = (ms: number | undefined) => (ms === undefined ? null : timeOf(ms));
