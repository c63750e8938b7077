import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** What one value of a field is, be it the field's own, a list's element or a map's value. */
export type Kind = DescMessage | "string" | "boolean" | "integer" | "number";

/** Throws for what no language model is asked for: enums, bytes, integers that JSON's numbers do not hold. */
export function kindOf({ message, scalar, parent, name }: DescField): Kind {
  if (message) return message;
  switch (scalar) {
    case ScalarType.STRING:
      return "string";
    case ScalarType.BOOL:
      return "boolean";
    case ScalarType.INT32:
      return "integer";
    case ScalarType.FLOAT:
      return "number";
    default:
      throw new Error(`${parent.typeName}.${name} has a type that no language model is asked for`);
  }
}
