import {
  type DescField,
  type DescMessage,
  fromJson,
  type MessageShape,
  type JsonValue as ReadJson,
} from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import type { GatewayError } from "../errors.ts";
import type { JsonValue } from "../generation.ts";
import { invalidValue } from "./invalid.ts";

/**
 * The message that a caller's JSON is (https://protobuf.dev/programming-guides/json/), its fields under either of their
 * names; those that the type does not know are dropped. Throws 400 `invalid_value` that names the field as the contract does.
 */
export function messageInJson<Desc extends DescMessage>(value: JsonValue, type: Desc): MessageShape<Desc> {
  try {
    // Its type is not readonly, but nothing is written to it.
    return fromJson(type, value as ReadJson, { ignoreUnknownFields: true });
  } catch (error) {
    const cause = error instanceof Error && error.cause;
    if (!isFieldError(cause)) throw invalidValue(undefined, "The body is not the method's message.");
    throw wrongType(cause.field());
  }
}

/** 400 `invalid_value` for a field that holds something else than it must. */
export function wrongType({ name }: Pick<DescField, "name">): GatewayError {
  return invalidValue(name, "{field} is not of its type.");
}
