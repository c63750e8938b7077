import * as z from "zod/mini";

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** A reference to a schema under the document's `components`. */
export function ref(schemaName: string) {
  return { $ref: `#/components/schemas/${schemaName}` };
}

/** What a caller sends, or what a lenient client expects, without the bounds that every JSON integer has. */
export function jsonSchema(schema: z.ZodMiniType): JsonSchema {
  // OpenAPI 3.1 has this dialect by default.
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: "input",
    override({ jsonSchema }) {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return json;
}

/** The same of several, by name. */
export function jsonSchemas(schemas: Readonly<Record<string, z.ZodMiniType>>): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, jsonSchema(schema)]));
}
