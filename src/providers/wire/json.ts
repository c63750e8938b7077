import type { JsonObject, JsonValue } from "../../generation.ts";
import { parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";

/** A member of a request's body where the caller gave it a value, else none. */
export function optionalMember(name: string, value: JsonValue | undefined): JsonObject {
  return value === undefined ? {} : { [name]: value };
}

/** An answer's text as JSON. Throws `UpstreamFailure` wire `malformed`. */
export function parseAnswer(text: string): JsonValue {
  try {
    return parseJson(text);
  } catch (cause) {
    throw UpstreamFailure.wire("malformed", { cause });
  }
}
