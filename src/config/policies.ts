import * as z from "zod/mini";
import { tenantForm } from "../caller.ts";
import type { PolicyEntry } from "../policy.ts";
import { policyShape } from "../policy-schema.ts";
import { problemWith } from "./problem.ts";
import { type Bindings, firstGiven, type Reading } from "./read.ts";
import { entryIn, structuredValue } from "./structured.ts";

const entrySchema = z.strictObject({
  tenant: z.string().check(z.regex(tenantForm)),
  role: z.optional(z.string().check(z.regex(/^[^\p{C}\p{Z}]{1,64}$/u))),
  ...policyShape,
});

/** The policies of the settings, in their order. Adds what is wrong to the reading's problems. */
export function readPolicies(bindings: Bindings, reading: Reading): readonly PolicyEntry[] {
  const bad = (reason: string) => reading.problems.push(problemWith("policies", reason));
  const list = structuredValue("policies", bindings);
  if (list === undefined) {
    if (firstGiven("policies", bindings, reading.expandText)) bad("is not a list");
    return [];
  }
  if (!Array.isArray(list)) {
    bad("is not a list");
    return [];
  }
  const policies: PolicyEntry[] = [];
  for (const [index, raw] of list.entries()) {
    const at = `entry ${index + 1}`;
    const policy = entryIn(entrySchema, raw, reading, (reason) => bad(`${at}: ${reason}`));
    if (!policy) continue;
    const { tenant, role } = policy;
    if (policies.some((each) => each.tenant === tenant && each.role === role))
      bad(`${at}: there is a policy for its tenant and role already`);
    else policies.push(policy);
  }
  return policies;
}
