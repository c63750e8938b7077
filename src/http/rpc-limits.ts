import { ScalarType } from "@bufbuild/protobuf";
import {
  isReflectList,
  isReflectMap,
  isReflectMessage,
  type ReflectMessage,
  reflect,
} from "@bufbuild/protobuf/reflect";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { RpcRequest } from "../rpc.ts";
import type { Rpc } from "../rpcs/rpc.ts";
import { invalidValue, missingField } from "./invalid.ts";
import { requireFewTokens, requireModel, requireShort } from "./limits.ts";

/** Fields that name something hold no texts. */
const namesSomething = /(^|_)(id|type|mode)$/;
/** In UTF-16 units. */
const maxNameUnits = 512;

/**
 * Holds a request of an RPC to what its row asks of its fields and to the configured limits: all texts in it together are the
 * prompt. Throws a `GatewayError` that names the field as the contract does.
 */
export function requireRpcLimits({ method: { input }, rules }: Rpc) {
  const { required = [], ranges = {}, values = {} } = rules;
  const names = input.fields.filter(({ name, scalar, fieldKind }) => {
    return fieldKind === "scalar" && scalar === ScalarType.STRING && namesSomething.test(name);
  });
  const sizes = { ...Object.fromEntries(names.map(({ name }) => [name, { units: maxNameUnits }])), ...rules.sizes };
  return ({ message, model, maxTokens }: RpcRequest, { limits, ai }: Pick<Config, "limits" | "ai">): void => {
    const read = reflect(input, message);
    for (const field of required) requireOneOf(read, typeof field === "string" ? [field] : field);
    for (const [path, size] of Object.entries(sizes)) requireSize(path, valueAt(read, path), size);
    for (const [path, known] of Object.entries(values)) requireKnown(path, valueAt(read, path), known);
    for (const [path, range] of Object.entries(ranges)) requireWithin(path, valueAt(read, path), range);
    requireFewTokens(maxTokens, limits.maxTokens);
    requireShort(() => textsIn(read), limits.promptChars);
    requireModel(model, ai.models);
  };
}

function requireSize(path: string, value: unknown, { items, units }: NonNullable<Rpc["rules"]["sizes"]>[string]): void {
  if (isReflectList(value)) {
    if (items !== undefined && value.size > items)
      throw invalidValue(path, "{field} must be at most {most} items long.", { most: items });
    for (const [index, item] of [...value].entries()) requireSize(`${path}[${index}]`, item, { units });
  } else if (units !== undefined && typeof value === "string" && value.length > units) {
    throw invalidValue(path, "{field} must be at most {most} characters long.", { most: units });
  }
}

function requireKnown(path: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "string" || value === "" || known.includes(value)) return;
  throw invalidValue(path, "{field} must be one of {values}.", { values: known.join(", ") });
}

function requireWithin(path: string, value: unknown, [least, greatest]: readonly [number, number]): void {
  if (typeof value !== "number" || (value >= least && value <= greatest)) return;
  throw invalidValue(path, "{field} must be from {least} to {most}.", { least, most: greatest });
}

function requireOneOf(message: ReflectMessage, names: readonly string[]): void {
  if (names.some((name) => String(valueAt(message, name)).trim() !== "")) return;
  const [first = "", ...others] = names;
  if (others.length === 0) throw missingField(first);
  throw new GatewayError("invalid_request", "One of the fields '{names}' must be there.", {
    code: "missing_field",
    param: first,
    values: { names: names.join("', '") },
  });
}

/** What a field below a message holds, by its path in the contract's names; undefined where something on the way is not there. */
function valueAt(message: ReflectMessage, path: string): unknown {
  const [name = "", ...below] = path.split(".");
  const field = message.fields.find((each) => each.name === name);
  if (!field) throw new Error(`${message.desc.typeName} has no field ${name}`);
  if (below.length === 0) return message.get(field);
  const inner = message.isSet(field) ? message.get(field) : undefined;
  if (isReflectMap(inner)) return inner.get(below.join("."));
  return isReflectMessage(inner) ? valueAt(inner, below.join(".")) : undefined;
}

/** All texts in a message, however deep, and the keys of its maps. */
function* textsIn(message: ReflectMessage): Generator<string> {
  for (const field of message.fields) {
    if (message.isSet(field)) yield* textsOf(message.get(field));
  }
}

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (isReflectMessage(value)) yield* textsIn(value);
  else if (isReflectList(value)) for (const item of value) yield* textsOf(item);
  else if (isReflectMap(value)) for (const entry of value) for (const part of entry) yield* textsOf(part);
}
