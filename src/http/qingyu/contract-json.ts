import { type DescField, type DescMessage, type MessageShape, ScalarType, toJson } from "@bufbuild/protobuf";
import { decimalOf } from "../../decimal.ts";
import { AllianceSchema, ConflictSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import type { JsonObject, JsonValue } from "../../generation.ts";
import { isJsonList, isJsonObject } from "../../json.ts";
import type { ContractMessage } from "../../rpc.ts";
import { messageInJson, wrongType } from "../message-json.ts";

/*
 * The contract's messages as the platform's clients have them: ProtoJSON under the contract's own names, but for lists that
 * are messages on the wire only because a list cannot be in a list there, and for numbers.
 */

const lists: ReadonlySet<string> = new Set([AllianceSchema.typeName, ConflictSchema.typeName]);

/** The field of a message that stands for the whole of it in the platform's JSON; undefined of all others. */
export function listIn({ typeName, fields: [field] }: DescMessage): DescField | undefined {
  return lists.has(typeName) ? field : undefined;
}

/** The message that a platform's body is; lists may be written as ProtoJSON has them too. Throws what `messageInJson` throws. */
export function fromPlatformJson<Desc extends DescMessage>(type: Desc, body: JsonObject): MessageShape<Desc> {
  return messageInJson(protoJson(type, body), type);
}

/** The known members under the contract's names, since some clients send both of a name's spellings. */
function protoJson(type: DescMessage, body: JsonObject): JsonObject {
  const members = new Map<string, JsonValue>();
  for (const [name, member] of Object.entries(body)) {
    const field = type.fields.find((each) => each.name === name || each.jsonName === name);
    if (!field || (member === null && members.has(field.name))) continue;
    const isList = field.fieldKind === "list" && isJsonList(member);
    const value = isList ? member.map((item) => protoValue(field, item)) : protoValue(field, member);
    members.set(field.name, value);
  }
  return Object.fromEntries(members);
}

function protoValue(field: DescField, value: JsonValue): JsonValue {
  const { message, fieldKind } = field;
  if (!message || fieldKind === "map" || value === null) return value;
  const list = listIn(message);
  if (list && isJsonList(value)) return { [list.name]: value };
  if (!isJsonObject(value)) throw wrongType(field);
  return protoJson(message, value);
}

/**
 * A message as the platform's clients read it: every field is there but messages that are not set, floats are the decimals
 * that they were meant to be (null where they are none), and integers of 64 bits numbers where a double holds them.
 */
export function platformJson(type: DescMessage, message: ContractMessage): JsonObject {
  const json = toJson(type, message, { alwaysEmitImplicit: true, useProtoFieldName: true });
  return isJsonObject(json) ? membersOf(type, json) : {};
}

function membersOf(type: DescMessage, json: JsonObject): JsonObject {
  const members = type.fields.flatMap((field): [string, JsonValue][] => {
    const value = json[field.name];
    return value === undefined ? [] : [[field.name, memberOf(field, value)]];
  });
  return Object.fromEntries(members);
}

function memberOf(field: DescField, value: JsonValue): JsonValue {
  if (isJsonList(value)) return value.map((item) => scalarOrMessage(field, item));
  if (field.fieldKind !== "map" || !isJsonObject(value)) return scalarOrMessage(field, value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, scalarOrMessage(field, item)]));
}

function scalarOrMessage({ message, scalar }: DescField, value: JsonValue): JsonValue {
  if (message && isJsonObject(value)) {
    const members = membersOf(message, value);
    const list = listIn(message);
    return (list && members[list.name]) ?? members;
  }
  switch (scalar) {
    case ScalarType.FLOAT:
      return typeof value === "number" ? decimalOf(value) : null;
    case ScalarType.INT64:
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    default:
      return value;
  }
}
