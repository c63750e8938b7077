import { ScalarType } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { RpcRequest } from "../rpc.ts";
import type { Rpc } from "../rpcs/rpc.ts";
import { invalidValue, missingField } from "./invalid.ts";
import { requireFewTokens, requireModel, requireShort } from "./limits.ts";

/** Fields that name something hold no texts. */
const namesSomething = /(^|_)(id|type|mode)$/;
const maxNameLength = 512;

/**
 * Holds a request of an RPC to what its row asks of its fields and to the configured limits: all texts in it together are the
 * prompt. Throws a `GatewayError` that names the field as the contract does.
 */
export function requireRpcLimits({ method: { input }, rules: { required = [], ranges = {} } }: Rpc) {
  const names = input.fields.filter(({ name, scalar, fieldKind }) => {
    return fieldKind === "scalar" && scalar === ScalarType.STRING && namesSomething.test(name);
  });
  return ({ message, model, maxTokens }: RpcRequest, { limits, ai }: Pick<Config, "limits" | "ai">): void => {
    const read = reflect(input, message);
    for (const field of required) requireOneOf(read, typeof field === "string" ? [field] : field);
    for (const { name } of names) {
      if (String(valueAt(read, name)).length > maxNameLength)
        throw invalidValue(name, `The field '${name}' must be at most ${maxNameLength} characters long.`);
    }
    for (const [path, [least, greatest]] of Object.entries(ranges)) {
      const value = valueAt(read, path);
      if (typeof value === "number" && !(value >= least && value <= greatest))
        throw invalidValue(path, `The field '${path}' must be from ${least} to ${greatest}.`);
    }
    requireFewTokens(maxTokens, limits.maxTokens);
    requireShort(() => textsIn(message), limits.promptChars);
    requireModel(model, ai.models);
  };
}

function requireOneOf(message: ReflectMessage, names: readonly string[]): void {
  if (names.some((name) => String(valueAt(message, name)).trim() !== "")) return;
  const [first = "", ...others] = names;
  if (others.length === 0) throw missingField(first);
  throw new GatewayError("invalid_request", `One of the fields '${names.join("', '")}' must be there.`, {
    code: "missing_field",
    param: first,
  });
}

/** What a scalar field below a message holds, by its path in the contract's names; undefined where a message on the way is not there. */
function valueAt(message: ReflectMessage, path: string): unknown {
  const [name = "", ...below] = path.split(".");
  const field = message.fields.find((each) => each.name === name);
  if (!field) throw new Error(`${message.desc.typeName} has no field ${name}`);
  if (below.length === 0) return message.get(field);
  const inner = message.isSet(field) ? message.get(field) : undefined;
  return isReflectMessage(inner) ? valueAt(inner, below.join(".")) : undefined;
}

/** All texts in a message, however deep. */
function* textsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null)
    for (const member of Object.values(value)) yield* textsIn(member);
}
