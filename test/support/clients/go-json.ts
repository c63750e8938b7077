/** What a Go struct's field may be, as far as the platform's back end has such fields. */
export type GoType =
  | "string"
  | "int"
  | "float"
  | "bool"
  | "any"
  | "time"
  | { readonly list: GoType }
  | { readonly map: GoType }
  | { readonly fields: Readonly<Record<string, GoType>> };

export interface Decoded {
  /** With zero values for what is absent or null. */
  readonly value: unknown;
  /** The fields that the JSON does not have at all. */
  readonly missing: readonly string[];
}

/** A number as it is written, which decides whether it is an integer. */
interface Numeral {
  readonly numeral: string;
}

/** Reads JSON as Go's encoding/json does: unknown members are left alone, null says nothing, a wrong type ends it all. */
export function goDecode(text: string, type: GoType): Decoded {
  const parsed: unknown = JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
    typeof value === "number" ? ({ numeral: context?.source ?? String(value) } satisfies Numeral) : value,
  );
  const missing: string[] = [];
  const value = decoded(parsed, type, "", missing);
  return { value, missing };
}

function decoded(value: unknown, type: GoType, path: string, missing: string[]): unknown {
  const refuse = (found: string): never => {
    const name = typeof type === "string" ? type : Object.keys(type)[0];
    throw new Error(`json: cannot unmarshal ${found} into Go struct field ${path} of type ${name}`);
  };
  if (value === null || value === undefined) return zero(type);
  if (type === "any") return value;
  if (isNumeral(value)) {
    if (type === "float") return Number(value.numeral);
    return type === "int" && /^-?\d{1,18}$/.test(value.numeral)
      ? Number(value.numeral)
      : refuse(`number ${value.numeral}`);
  }
  if (typeof value === "string") {
    if (type === "time" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value)) refuse(value);
    return type === "string" || type === "time" ? value : refuse("string");
  }
  if (typeof value === "boolean") return type === "bool" ? value : refuse("bool");
  if (Array.isArray(value)) {
    if (typeof type === "string" || !("list" in type)) return refuse("array");
    return value.map((each, index) => decoded(each, type.list, `${path}[${index}]`, missing));
  }
  if (typeof type === "string" || "list" in type) return refuse("object");
  if ("map" in type) {
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, decoded(each, type.map, `${path}.${name}`, missing)]),
    );
  }
  return struct(Object.entries(value), type.fields, path, missing);
}

function struct(
  members: readonly [string, unknown][],
  fields: Readonly<Record<string, GoType>>,
  path: string,
  missing: string[],
) {
  const made: Record<string, unknown> = {};
  for (const [field, type] of Object.entries(fields)) {
    // A name in another case is the same field, and the last one counts.
    const found = members.filter(([name]) => name.toLowerCase() === field.toLowerCase());
    if (found.length === 0) missing.push(`${path}.${field}`);
    made[field] = zero(type);
    for (const [, value] of found) made[field] = decoded(value, type, `${path}.${field}`, missing);
  }
  return made;
}

function isNumeral(value: unknown): value is Numeral {
  return typeof value === "object" && value !== null && "numeral" in value;
}

function zero(type: GoType): unknown {
  if (type === "string" || type === "time") return "";
  if (type === "int" || type === "float") return 0;
  if (type === "bool") return false;
  if (type === "any") return undefined;
  if ("list" in type) return [];
  return "map" in type ? {} : struct([], type.fields, "", []);
}
