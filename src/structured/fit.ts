import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue as Json,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import type { JsonObject, JsonValue } from "../generation.ts";
import { isJsonList, isJsonObject } from "../json.ts";
import { type Kind, kindOf } from "./kinds.ts";
import { readings } from "./scalars.ts";

/** What became of a JSON value: the message, or sentences that say by its paths what does not fit. */
export type Fitted<Message> = { readonly message: Message } | { readonly problems: readonly string[] };

const maxProblems = 100;

/**
 * Makes an object that a language model wrote a message, where nothing is lost by it. Taken are keys in snake_case or another
 * case, one text for a list of texts and a list of texts for a text (a line each), numerals and whole floats for integers,
 * numbers for texts, the words true and false, null for what is absent, a list of `key` and `value` for a map, a text for an
 * object that has a field `text`, and an object under its own name (`{"outline": {...}}`). What is not known is left out; an
 * object of which nothing is known is another one, and not one that says nothing.
 */
export function fitTo<Desc extends DescMessage>(type: Desc, value: JsonObject): Fitted<MessageShape<Desc>> {
  const problems: string[] = [];
  const tell = (problem: string) => {
    if (problems.length < maxProblems) problems.push(problem);
  };
  let object = value;
  let fields = fieldsIn(type, object, "", tell);
  const [inner, ...others] = Object.values(value);
  if (problems.length === 0 && Object.keys(fields).length === 0 && others.length === 0 && isJsonObject(inner)) {
    object = inner;
    fields = fieldsIn(type, object, "", tell);
  }
  const known = fieldsOf(type);
  if (!Object.keys(object).some((key) => known.has(plain(key))))
    tell(`must have the fields ${type.fields.map(({ jsonName }) => jsonName).join(", ")}`);
  return problems.length > 0 ? { problems } : { message: fromJson(type, fields) };
}

type Tell = (problem: string) => void;
type JsonFields = { [name: string]: Json };

const fieldsByType = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** A type's fields by their names without case and marks. */
function fieldsOf(type: DescMessage): ReadonlyMap<string, DescField> {
  const known = fieldsByType.get(type) ?? new Map(type.fields.map((field) => [plain(field.name), field]));
  fieldsByType.set(type, known);
  return known;
}

function plain(key: string): string {
  return key.replace(/[_-]/g, "").toLowerCase();
}

/** The fields of a message by their JSON names. A key that is one stands above those that only mean it. */
function fieldsIn(type: DescMessage, value: JsonObject, path: string, tell: Tell): JsonFields {
  const fields = fieldsOf(type);
  const read: JsonFields = {};
  for (const [key, member] of Object.entries(value)) {
    const field = fields.get(plain(key));
    if (!field || member === null) continue;
    const { jsonName } = field;
    if (key !== jsonName && (value[jsonName] ?? null) !== null) continue;
    const fitted = fieldIn(field, member, `${path}${jsonName}`, tell);
    if (fitted !== undefined) read[jsonName] = fitted;
  }
  return read;
}

function fieldIn(field: DescField, value: JsonValue, at: string, tell: Tell): Json | undefined {
  const kind = kindOf(field);
  switch (field.fieldKind) {
    case "list":
      return listIn(kind, value, at, tell);
    case "map":
      return mapIn(kind, value, at, tell);
    default:
      return valueIn(kind, value, at, tell);
  }
}

function listIn(kind: Kind, value: JsonValue, at: string, tell: Tell): Json[] {
  return (isJsonList(value) ? value : [value]).flatMap((element, index) => {
    const read = element === null ? undefined : valueIn(kind, element, `${at}[${index}]`, tell);
    return read === undefined ? [] : [read];
  });
}

function mapIn(kind: Kind, value: JsonValue, at: string, tell: Tell): JsonFields | undefined {
  const read = new Map<string, Json>();
  for (const [index, element] of (isJsonList(value) ? value : [value]).entries()) {
    if (!isJsonObject(element)) {
      tell(`${at}: must be an object, or a list of key and value`);
      return undefined;
    }
    for (const [key, member] of isJsonList(value) ? pairsIn(element) : Object.entries(element)) {
      const fitted = member === null ? undefined : valueIn(kind, member, `${at}[${index}]`, tell);
      if (fitted === undefined) continue;
      if (read.has(key)) tell(`${at}[${index}]: the key is there already`);
      else read.set(key, fitted);
    }
  }
  return Object.fromEntries(read);
}

/** An element of a list in the place of a map: `{"key": ..., "value": ...}`, or the pairs themselves. */
function pairsIn(element: JsonObject): [string, JsonValue][] {
  const { key, value } = element;
  const isPair = Object.keys(element).length === 2 && key !== undefined && value !== undefined;
  return isPair ? [[String(key), value]] : Object.entries(element);
}

function valueIn(kind: Kind, value: JsonValue, at: string, tell: Tell): Json | undefined {
  if (typeof kind === "string") {
    const { expected, read } = readings[kind];
    const fitted = read(value);
    if (fitted === undefined) tell(`${at}: must be ${expected}`);
    return fitted;
  }
  const inner = isJsonList(value) && value.length === 1 ? value[0] : value;
  if (isJsonObject(inner)) return fieldsIn(kind, inner, `${at}.`, tell);
  if (typeof inner === "string" && fieldsOf(kind).get("text")?.scalar === ScalarType.STRING) return { text: inner };
  tell(`${at}: must be an object`);
  return undefined;
}
