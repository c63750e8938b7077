import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type JsonSchema, ref } from "../docs/schemas.ts";

/** What `proto/` says of each message, field and method, by what the descriptor calls itself. */
export type Comments = ReadonlyMap<string, string>;

/** A message, and what validates it beyond its types, under the contract's field names. */
export type CheckedMessage = readonly [message: DescMessage, check?: JsonSchema];

/**
 * The JSON Schemas of these messages and of all that they lead to, as ProtoJSON has them: what has its default value is
 * left out, so no field is required (https://protobuf.dev/programming-guides/json/). Types that ProtoJSON writes in their
 * own ways, such as `Timestamp`, are not among them: the contract has none.
 */
export function messageSchemas(messages: readonly CheckedMessage[], comments: Comments): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {};
  for (const [message, check] of messages) add(message, check);
  return schemas;

  function add(message: DescMessage, check: JsonSchema | undefined): void {
    if (message.name in schemas) return;
    const properties: Record<string, JsonSchema> = {};
    schemas[message.name] = { type: "object", description: comments.get(String(message)), properties };
    for (const field of message.fields) {
      const checked = objectIn(check?.properties?.[field.name]);
      properties[field.jsonName] = { ...fieldSchema(field, checked), description: comments.get(String(field)) };
      if (field.message) add(field.message, field.fieldKind === "list" ? objectIn(checked?.items) : checked);
    }
  }
}

function fieldSchema(field: DescField, check: JsonSchema | undefined): JsonSchema {
  switch (field.fieldKind) {
    case "list":
      return { type: "array", items: valueSchema(field, objectIn(check?.items)), maxItems: check?.maxItems };
    case "map":
      return { type: "object", additionalProperties: valueSchema(field, undefined) };
    default:
      return valueSchema(field, check);
  }
}

function valueSchema({ message, enum: names, scalar }: DescField, check: JsonSchema | undefined): JsonSchema {
  if (message) return ref(message.name);
  if (names) return { type: "string", enum: names.values.map(({ name }) => name) };
  const schema = scalarSchema(scalar);
  // A 64-bit integer is text, of which the limits of a number say nothing.
  return check?.type === schema.type ? { ...check, ...schema } : schema;
}

function scalarSchema(scalar: ScalarType | undefined): JsonSchema {
  const name = scalar === undefined ? "" : ScalarType[scalar];
  if (scalar === ScalarType.BOOL) return { type: "boolean" };
  if (scalar === ScalarType.STRING) return { type: "string" };
  if (scalar === ScalarType.BYTES) return { type: "string", contentEncoding: "base64" };
  if (name.endsWith("32")) return { type: "integer" };
  return name.endsWith("64") ? { type: "string", format: "int64" } : { type: "number" };
}

/** A schema within another one, where it is neither a boolean nor a list. */
function objectIn(schema: JsonSchema["items"]): JsonSchema | undefined {
  return typeof schema === "object" && !Array.isArray(schema) ? schema : undefined;
}
