import type * as z from "zod/mini";
import { announcedLength, type BodyFault, mediaType, readText } from "../body.ts";
import { GatewayError } from "../errors.ts";
import type { JsonValue } from "../generation.ts";
import { JsonBeyondLimits, parseJson } from "../json.ts";
import { requireValid } from "./invalid.ts";

/**
 * What a body may weigh (`parseJson`): 50,000 objects and strings, or 500,000 tokens. 2,048 messages of three parts each
 * weigh 430,000, a hundred tools with fifty parameters each 300,000.
 */
const maxWeight = 500_000;

/** Reads a request's JSON body into what `schema` describes. Throws a `GatewayError` that names what is wrong. */
export async function readJson<S extends z.ZodMiniType>(
  request: Request,
  schema: S,
  maxBytes: number,
): Promise<z.infer<S>> {
  requireJson(request.headers);
  const text = await readText(request, maxBytes, (reason) => bodyError(reason, maxBytes));
  return requireValid(schema, parse(text));
}

/** Refuses a body that says it is larger than allowed, before anything of it is read. */
export function requireLength(headers: Headers, maxBytes: number): void {
  if (announcedLength(headers) > maxBytes) throw tooLarge(maxBytes);
}

function requireJson(headers: Headers): void {
  const type = mediaType(headers);
  // A body without a type is taken for what it must be; curl's default type is not.
  if (type && !/^application\/([\w.-]+\+)?json$/.test(type)) {
    throw new GatewayError("unsupported_media_type", "Send JSON as 'content-type: application/json'.", {
      param: "content-type",
    });
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw new GatewayError("unsupported_media_type", "Send the body without a 'content-encoding'.", {
      param: "content-encoding",
    });
  }
}

function bodyError(reason: Parameters<BodyFault>[0], maxBytes: number): GatewayError {
  switch (reason) {
    case "oversized":
      return tooLarge(maxBytes);
    case "truncated":
      return new GatewayError("cancelled", "The request's body ended too early.");
    case "malformed":
      return new GatewayError("invalid_request", "The body is not UTF-8.", { code: "invalid_json" });
  }
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError("payload_too_large", `The body is larger than ${maxBytes} bytes (limits.body_bytes).`);
}

function parse(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = parseJson(text, maxWeight);
  } catch (error) {
    const what = error instanceof JsonBeyondLimits ? error.message : "is not valid JSON";
    throw new GatewayError("invalid_request", `The body ${what}.`, { code: "invalid_json" });
  }
  // Half of a surrogate pair has no UTF-8, so no provider could be sent it as it is. It can only come from an escape.
  if (/\\u[dD][89a-fA-F]/.test(text) && !isWellFormed(value)) {
    throw new GatewayError("invalid_request", "The body has an unpaired surrogate in a string.", {
      code: "invalid_json",
    });
  }
  return value;
}

function isWellFormed(value: JsonValue): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member));
}
