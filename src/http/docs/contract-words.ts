import type { DescMethod } from "@bufbuild/protobuf";
import type { Rpc } from "../../rpcs/rpc.ts";
import type { Comments } from "./message-schemas.ts";
import type { JsonSchema } from "./schemas.ts";

/** What a method does, as `proto/` says first of it. Throws where it says nothing. */
export function summaryOf(method: DescMethod, comments: Comments): string {
  const [summary] = comments.get(String(method))?.split(/[.;]( |$)/, 1) ?? [];
  if (!summary) throw new Error(`proto/ has no comment on ${method.name}`);
  return summary;
}

/** What an RPC's row asks of its request's fields, under the contract's names and without their types. */
export function checkOf({ rules: { required = [], ranges = {} } }: Rpc): JsonSchema {
  const filled = required.flatMap((name) => (typeof name === "string" ? [[name, { minLength: 1 }]] : []));
  return { properties: { ...Object.fromEntries(filled), ...rangesBelow("", ranges) } };
}

/** The checks of the fields below a path, which is empty or ends with a dot. */
function rangesBelow(above: string, ranges: NonNullable<Rpc["rules"]["ranges"]>): Record<string, JsonSchema> {
  const properties: Record<string, JsonSchema> = {};
  for (const [path, [minimum, maximum]] of Object.entries(ranges)) {
    if (!path.startsWith(above)) continue;
    const [name = "", ...below] = path.slice(above.length).split(".");
    properties[name] =
      below.length > 0 ? { properties: rangesBelow(`${above}${name}.`, ranges) } : { minimum, maximum };
  }
  return properties;
}
