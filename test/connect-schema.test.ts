import { create, type DescMessage, toJson } from "@bufbuild/protobuf";
import {
  FieldDescriptorProtoSchema,
  FieldOptions_CType,
  SourceCodeInfoSchema,
  UninterpretedOptionSchema,
} from "@bufbuild/protobuf/wkt";
import { type Schema, Validator } from "@cfworker/json-schema";
import { describe, expect, it } from "vitest";
import { EmbedResponseSchema, RAGQueryResponseSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { messageSchemas, protoJsonForm } from "../src/http/docs/message-schemas.ts";

/** How JSON violates the schema of a message, which is held to have nothing but what it describes. */
function violations(message: DescMessage, json: unknown): string[] {
  const schemas = Object.entries(messageSchemas([[message]], new Map(), protoJsonForm));
  const closed = schemas.map(([name, schema]) => [name, { ...schema, additionalProperties: false }]);
  const root: Schema = {
    $ref: `#/components/schemas/${message.name}`,
    components: { schemas: JSON.parse(JSON.stringify(Object.fromEntries(closed))) },
  };
  return new Validator(root, "2020-12").validate(json).errors.map((e) => `${e.instanceLocation}: ${e.error}`);
}

const uninterpreted = create(UninterpretedOptionSchema, {
  name: [{ namePart: "a", isExtension: true }],
  positiveIntValue: 2n ** 63n,
  negativeIntValue: -1n,
  doubleValue: 0.5,
  stringValue: new Uint8Array([0, 255]),
});

describe("the schema of a message", () => {
  it.each([
    [
      "64-bit integers, bytes, a double, a bool",
      UninterpretedOptionSchema,
      toJson(UninterpretedOptionSchema, uninterpreted),
    ],
    [
      "an enum, and messages in messages",
      FieldDescriptorProtoSchema,
      toJson(
        FieldDescriptorProtoSchema,
        create(FieldDescriptorProtoSchema, {
          jsonName: "a",
          number: 7,
          options: { ctype: FieldOptions_CType.CORD, deprecated: true, uninterpretedOption: [uninterpreted] },
        }),
      ),
    ],
    [
      "lists of integers and of text",
      SourceCodeInfoSchema,
      toJson(
        SourceCodeInfoSchema,
        create(SourceCodeInfoSchema, { location: [{ path: [4, 0], leadingDetachedComments: ["a"] }] }),
      ),
    ],
    [
      "a map",
      RAGQueryResponseSchema,
      toJson(
        RAGQueryResponseSchema,
        create(RAGQueryResponseSchema, { results: [{ metadata: { a: "b" }, score: 0.5 }] }),
      ),
    ],
    ["nothing", RAGQueryResponseSchema, {}],
  ])("takes what protobuf-es writes: %s", (_, message, json) => {
    expect(violations(message, json)).toEqual([]);
  });

  it.each([
    ["a 64-bit integer as a number", UninterpretedOptionSchema, { positiveIntValue: 1 }],
    ["an enum's value that there is not", FieldDescriptorProtoSchema, { options: { ctype: "NONE" } }],
    ["text for a number in a list", EmbedResponseSchema, { embeddings: [{ vector: ["1"] }] }],
    ["a number in a map of texts", RAGQueryResponseSchema, { results: [{ metadata: { a: 1 } }] }],
    ["a field under its name in proto/", RAGQueryResponseSchema, { results: [{ doc_type: "a" }] }],
  ])("takes nothing else: %s", (_, message, json) => {
    expect(violations(message, json)).not.toEqual([]);
  });

  it("has the limits of what validates it, and what proto/ says of it", () => {
    const check = {
      properties: {
        total: { type: "integer", maximum: 9 },
        results: { items: { properties: { id: { maxLength: 1, type: "string" } } } },
      },
    } as const;
    const comments = new Map([["field qingyu.ai.RAGQueryResponse.total", "All of them."]]);
    expect(messageSchemas([[RAGQueryResponseSchema, check]], comments, protoJsonForm)).toMatchObject({
      RAGQueryResponse: { properties: { total: { type: "integer", maximum: 9, description: "All of them." } } },
      RAGResult: { properties: { id: { type: "string", maxLength: 1 } } },
    });
  });
});
