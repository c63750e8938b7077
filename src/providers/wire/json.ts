import type { JsonObject, JsonValue } from "../../generation.ts";
import { parseJson } from "../../json.ts";
import { UpstreamFailure } from "../../upstream-failure.ts";

/** What is known of an answer before its body was read. */
export interface AnswerHead {
  readonly provider: string;
  /** The model that was asked. */
  readonly model: string;
  readonly createdAtMs: number;
}

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
