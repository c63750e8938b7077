import { at } from "./json.ts";

/** A small value of a strict JSON Schema, as the gateway asks language models for: one element in each list, and this text wherever a text is wanted. */
export function instanceOf(schema: unknown, text: string, root = schema): unknown {
  const ref = at(schema, "$ref");
  if (typeof ref === "string") return instanceOf(at(root, ...ref.split("/").slice(1)), text, root);
  switch (at(schema, "type")) {
    case "object": {
      const properties = Object.entries(Object(at(schema, "properties")));
      return Object.fromEntries(properties.map(([name, member]) => [name, instanceOf(member, text, root)]));
    }
    case "array":
      return [instanceOf(at(schema, "items"), text, root)];
    case "string":
      return text;
    case "boolean":
      return true;
    default:
      return 1;
  }
}
