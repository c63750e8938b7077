import * as z from "zod/mini";
import type { PolicyEntry } from "../policy.ts";
import { policyShape } from "../policy-schema.ts";
import { problemWith } from "./problem.ts";
import { type Bindings, firstGiven, type Reading } from "./read.ts";
import { tenantForm } from "./settings.ts";
import { complaint, expandMembers, structuredValue } from "./structured.ts";

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
    const { value, malformed } = expandMembers(raw, reading);
    for (const member of malformed) bad(`${at}: '${member}' has a \${ that is no reference`);
    const parsed = entrySchema.safeParse(value, { reportInput: true });
    if (!parsed.success) {
      for (const issue of parsed.error.issues) bad(`${at}: ${complaint(issue)}`);
      continue;
    }
    const { tenant, role } = parsed.data;
    if (policies.some((each) => each.tenant === tenant && each.role === role))
      bad(`${at}: there is a policy for its tenant and role already`);
    else policies.push(parsed.data);
  }
  return policies;
}
