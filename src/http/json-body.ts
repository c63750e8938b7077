import type * as z from "zod/mini";
import { mediaType } from "../body.ts";
import type { Config } from "../config/config.ts";
import type { Sentence, Values } from "../error-sentences.ts";
import { GatewayError } from "../errors.ts";
import { parseExactJson } from "../exact-json.ts";
import type { JsonValue } from "../generation.ts";
import type { Share } from "../in-flight.ts";
import { JsonBeyondLimits } from "../json.ts";
import { requireValid } from "./invalid.ts";
import { readBody } from "./request-body.ts";

/**
 * What a body may weigh (`parseJson`): 50,000 objects and strings, or 500,000 tokens. 2,048 messages of three parts each
 * weigh 430,000, a hundred tools with fifty parameters each 300,000.
 */
const maxWeight = 500_000;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Reads a request's JSON body into what `schema` describes. Throws a `GatewayError` that names what is wrong. */
export async function readJson<S extends z.ZodMiniType>(
  request: Request,
  schema: S,
  config: Pick<Config, "limits" | "deadlines">,
  memory: Share,
): Promise<z.infer<S>> {
  requireJson(request.headers);
  return requireValid(schema, jsonIn(await readBody(request, config, memory)));
}

function requireJson(headers: Headers): void {
  const type = mediaType(headers);
  // A body without a type is taken for what it must be; curl's default type is not.
  if (type && !/^application\/([\w.-]+\+)?json$/.test(type)) {
    throw new GatewayError("unsupported_media_type", "Send JSON as 'content-type: application/json'.", {
      param: "content-type",
    });
  }
}

/** The JSON that a body is. Throws 400 `invalid_json`, also for more than is taken (`parseJson`). */
export function jsonIn(bytes: Uint8Array): JsonValue {
  const text = textIn(bytes);
  let value: JsonValue;
  try {
    value = parseExactJson(text, maxWeight);
  } catch (error) {
    throw error instanceof JsonBeyondLimits
      ? invalidJson(`The body ${error.excess}.`, { most: error.most })
      : invalidJson("The body is not valid JSON.");
  }
  // Half of a surrogate pair has no UTF-8, so no provider could be sent it as it is. It can only come from an escape.
  if (/\\u[dD][89a-fA-F]/.test(text) && !isWellFormed(value)) {
    throw invalidJson("The body has an unpaired surrogate in a string.");
  }
  // A schema drops a member of this name, and nothing that a caller sent may be lost in silence.
  if (/__proto__|\\u00[2-7]/.test(text) && hasMember("__proto__", value)) {
    throw new GatewayError("invalid_request", "The body has a member named '__proto__'.", { param: "__proto__" });
  }
  return value;
}

function textIn(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalidJson("The body is not UTF-8.");
  }
}

function invalidJson(sentence: Sentence, values?: Values): GatewayError {
  return new GatewayError("invalid_request", sentence, { code: "invalid_json", values });
}

function hasMember(name: string, value: JsonValue): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.hasOwn(value, name) || Object.values(value).some((member) => hasMember(name, member));
}

function isWellFormed(value: JsonValue): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member));
}
