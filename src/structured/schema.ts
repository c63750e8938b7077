import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { JsonObject, Structure } from "../generation.ts";
import { type Kind, kindOf } from "./kinds.ts";

const structures = new WeakMap<DescMessage, Structure>();

/**
 * A message type as a JSON Schema by the strict rules of OpenAI's and Anthropic's structured outputs
 * (https://platform.openai.com/docs/guides/structured-outputs, https://platform.claude.com/docs/en/build-with-claude/structured-outputs):
 * every object is closed and needs all its fields, so that a model leaves out none. They have no maps, so a map is a list of
 * pairs. `fitTo` reads what comes of it.
 */
export function structureOf(type: DescMessage): Structure {
  const known = structures.get(type);
  if (known) return known;
  const definitions = new Map<DescMessage, JsonObject>();
  const root = objectSchema(type, definitions);
  const others = [...definitions].map(([{ name }, schema]) => [name, schema] as const);
  const schema = others.length > 0 ? { ...root, $defs: Object.fromEntries(others) } : root;
  const structure = { name: type.name, schema };
  structures.set(type, structure);
  return structure;
}

type Definitions = Map<DescMessage, JsonObject>;

function objectSchema({ fields }: DescMessage, definitions: Definitions): JsonObject {
  return closed(Object.fromEntries(fields.map((field) => [field.jsonName, fieldSchema(field, definitions)])));
}

function fieldSchema(field: DescField, definitions: Definitions): JsonObject {
  const value = valueSchema(kindOf(field), definitions);
  switch (field.fieldKind) {
    case "list":
      return { type: "array", items: value };
    case "map":
      return { type: "array", items: closed({ key: { type: "string" }, value }) };
    default:
      return value;
  }
}

function valueSchema(kind: Kind, definitions: Definitions): JsonObject {
  if (typeof kind === "string") return { type: kind };
  if (!definitions.has(kind)) {
    // There before it is whole, since a message may have its own type in it.
    definitions.set(kind, {});
    definitions.set(kind, objectSchema(kind, definitions));
  }
  return { $ref: `#/$defs/${kind.name}` };
}

function closed(properties: JsonObject): JsonObject {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}
