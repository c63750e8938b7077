import * as z from "zod/mini";
import { tenantForm } from "../../caller.ts";
import type { Sentence } from "../../error-sentences.ts";
import { policyShape } from "../../policy-schema.ts";

const tenant = z
  .string()
  .check(z.regex(tenantForm), z.describe("Whose key; left out, the administrator's own tenant."));

const tenYears = 315_360_000;
const thirtyDays = 2_592_000;

/** As JSON, so that a list of all keys is not too long to be sent. */
const maxPolicyCharacters = 4_096;

/** The body of `POST /admin/keys`. */
export const makeKeyRequest = z.strictObject({
  tenant: z.optional(tenant),
  name: z.optional(z.string().check(z.maxLength(128), z.describe("What the key is for."))),
  expiresInSeconds: z.optional(
    z.int().check(z.minimum(1), z.maximum(tenYears), z.describe("Left out, it does not expire.")),
  ),
  policy: z.optional(
    z.strictObject(policyShape).check(
      z.refine((policy) => JSON.stringify(policy).length <= maxPolicyCharacters, {
        error: "{field} must be at most 4096 characters of JSON." satisfies Sentence,
      }),
      z.describe("In the place of the tenant's policy; only an operator may say so."),
    ),
  ),
});

/** The body of `POST /admin/keys/{id}/rotate`. */
export const rotateKeyRequest = z.strictObject({
  overlapSeconds: z
    .int()
    .check(z.minimum(0), z.maximum(thirtyDays), z.describe("How long what opened so far goes on doing so.")),
});

/** The query of `GET /admin/keys`. */
export const listKeysQuery = z.object({ tenant: z.optional(tenant) });
