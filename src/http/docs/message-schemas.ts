import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type JsonSchema, ref } from "./schemas.ts";

/** What `proto/` says of each message, field and method, by what the descriptor calls itself. */
export type Comments = ReadonlyMap<string, string>;

/** A message, and what validates it beyond its types, under the contract's field names. */
export type CheckedMessage = readonly [message: DescMessage, check?: JsonSchema];

/** How a surface writes messages as JSON. */
export interface MessageForm {
  readonly schemaNameOf: (message: DescMessage) => string;
  readonly memberNameOf: (field: DescField) => string;
  /** The one field of a message that stands for the whole of it; undefined of all others. */
  readonly listIn: (message: DescMessage) => DescField | undefined;
  readonly float: JsonSchema;
  readonly int64: JsonSchema;
}

/**
 * ProtoJSON (https://protobuf.dev/programming-guides/json/). Types that it writes in their own ways, such as `Timestamp`, are
 * not among them: the contract has none.
 */
export const protoJsonForm: MessageForm = {
  schemaNameOf: ({ name }) => name,
  memberNameOf: ({ jsonName }) => jsonName,
  listIn: () => undefined,
  float: { type: "number" },
  int64: { type: "string", format: "int64" },
};

/**
 * The JSON Schemas of these messages and of all that they lead to. What has its default value may be left out, so no field
 * is required.
 */
export function messageSchemas(
  messages: readonly CheckedMessage[],
  comments: Comments,
  form: MessageForm,
): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {};
  for (const [message, check] of messages) add(message, check);
  return schemas;

  function add(message: DescMessage, check: JsonSchema | undefined): void {
    const name = form.schemaNameOf(message);
    if (name in schemas || form.listIn(message)) return;
    const properties: Record<string, JsonSchema> = {};
    schemas[name] = { type: "object", description: comments.get(String(message)), properties };
    for (const field of message.fields) {
      const checked = objectIn(check?.properties?.[field.name]);
      const schema = fieldSchema(field, checked, form);
      properties[form.memberNameOf(field)] = { ...schema, description: comments.get(String(field)) };
      if (field.message) add(field.message, field.fieldKind === "list" ? objectIn(checked?.items) : checked);
    }
  }
}

function fieldSchema(field: DescField, check: JsonSchema | undefined, form: MessageForm): JsonSchema {
  switch (field.fieldKind) {
    case "list":
      return { type: "array", items: valueSchema(field, objectIn(check?.items), form), maxItems: check?.maxItems };
    case "map":
      return { type: "object", additionalProperties: valueSchema(field, undefined, form) };
    default:
      return valueSchema(field, check, form);
  }
}

function valueSchema(
  { message, enum: names, scalar }: DescField,
  check: JsonSchema | undefined,
  form: MessageForm,
): JsonSchema {
  if (message) {
    const list = form.listIn(message);
    return list ? fieldSchema(list, undefined, form) : ref(form.schemaNameOf(message));
  }
  if (names) return { type: "string", enum: names.values.map(({ name }) => name) };
  const schema = scalarSchema(scalar, form);
  // A 64-bit integer is text, of which the limits of a number say nothing.
  return (check?.type ?? schema.type) === schema.type ? { ...check, ...schema } : schema;
}

function scalarSchema(scalar: ScalarType | undefined, { float, int64 }: MessageForm): JsonSchema {
  const name = scalar === undefined ? "" : ScalarType[scalar];
  if (scalar === ScalarType.BOOL) return { type: "boolean" };
  if (scalar === ScalarType.STRING) return { type: "string" };
  if (scalar === ScalarType.BYTES) return { type: "string", contentEncoding: "base64" };
  if (name.endsWith("32")) return { type: "integer" };
  return name.endsWith("64") ? int64 : float;
}

/** A schema within another one, where it is neither a boolean nor a list. */
function objectIn(schema: JsonSchema["items"]): JsonSchema | undefined {
  return typeof schema === "object" && !Array.isArray(schema) ? schema : undefined;
}
