import type * as z from "zod/mini";
import { announcedLength, type BodyFault, mediaType, readText } from "../body.ts";
import { GatewayError } from "../errors.ts";
import type { JsonValue } from "../generation.ts";
import { parseJson } from "../json.ts";

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

/** The value as `schema` describes it. Throws `invalid_request` that names the first field at fault. */
export function requireValid<S extends z.ZodMiniType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw invalid(parsed.error.issues);
  return parsed.data;
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
    value = parseJson(text);
  } catch {
    throw new GatewayError("invalid_request", "The body is not valid JSON.", { code: "invalid_json" });
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

/** The first issue as an error, in our words: zod's may quote the value. */
function invalid(issues: readonly z.core.$ZodIssue[]): GatewayError {
  const [issue] = issues;
  if (!issue) return new GatewayError("invalid_request", "The request is not valid.");
  const field = fieldName(issue.path);
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => fieldName([...issue.path, key]));
    const message = `Unknown ${names.length === 1 ? "field" : "fields"}: ${names.join(", ")}.`;
    return new GatewayError("invalid_request", message, { code: "unknown_field", param: names[0] });
  }
  const missing = issue.code === "invalid_type" && issue.input === undefined;
  if (missing) {
    return new GatewayError("invalid_request", `The field '${field}' is missing.`, {
      code: "missing_field",
      param: field,
    });
  }
  const subject = field === "" ? "The body" : `The field '${field}'`;
  return new GatewayError("invalid_request", `${subject} ${expectation(issue)}.`, {
    code: "invalid_value",
    param: field || undefined,
  });
}

/** `messages[0].content`, cut short where a caller's own names made it long. */
function fieldName(path: readonly PropertyKey[]): string {
  let name = "";
  for (const step of path) {
    if (typeof step === "number") name += `[${step}]`;
    else name += name === "" ? String(step) : `.${String(step)}`;
  }
  return name.slice(0, 200);
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${article(issue.expected === "int" ? "whole number" : issue.expected)}`;
    case "too_small":
      return `must be at least ${issue.minimum}${unit(issue.origin)}`;
    case "too_big":
      return `must be at most ${issue.maximum}${unit(issue.origin)}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "custom":
      return issue.message;
    default:
      return "is not valid";
  }
}

function unit(origin: string): string {
  if (origin === "string") return " characters long";
  return origin === "array" ? " items long" : "";
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}
