import type * as z from "zod/mini";
import { type Sentence, sentences, type Values } from "../error-sentences.ts";
import { GatewayError } from "../errors.ts";

/** An error is to be read by people, however much was wrong. */
const maxNames = 10;

/** Zod makes an issue of each wrong element, some 10 us and 3 KB apiece, unless it is told to stop, as its `validate` does. */
const firstIssueOnly: z.core.ParseContextInternal<z.core.$ZodIssue> = { reportInput: true, abortEarly: true };

/** The value as `schema` describes it. Throws `invalid_request` that names the first field at fault. */
export function requireValid<S extends z.ZodMiniType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value, firstIssueOnly);
  if (!parsed.success) throw invalid(parsed.error.issues);
  return parsed.data;
}

/** 400 `missing_field`. */
export function missingField(param: string): GatewayError {
  return new GatewayError("invalid_request", "{field} is missing.", { code: "missing_field", param });
}

/** 400 `invalid_value`: what is wrong with a field or a header, which the message names too. */
export function invalidValue(param: string | undefined, sentence: Sentence, values?: Values): GatewayError {
  return new GatewayError("invalid_request", sentence, { code: "invalid_value", param, values });
}

/** The first issue as an error, in our words: zod's may quote the value. */
function invalid(issues: readonly z.core.$ZodIssue[]): GatewayError {
  const [first] = issues;
  if (!first) return new GatewayError("invalid_request", "The request is not valid.");
  const issue = meant(first);
  const field = fieldName(issue.path);
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.slice(0, maxNames).map((key) => fieldName([...issue.path, key]));
    const shown = issue.keys.length > maxNames ? [...names, "..."] : names;
    return new GatewayError(
      "invalid_request",
      names.length === 1 ? "Unknown field: {names}." : "Unknown fields: {names}.",
      {
        code: "unknown_field",
        param: names[0],
        values: { names: shown.join(", ") },
      },
    );
  }
  if (issue.input === undefined && tellsOfAbsence.has(issue.code)) return missingField(field);
  const [sentence, values] = expectation(issue);
  return invalidValue(field || undefined, sentence, values);
}

/** What zod calls a member that is not there, be it of a type, one of several values, or looked at by a function of ours. */
const tellsOfAbsence: ReadonlySet<string | undefined> = new Set([
  "invalid_type",
  "invalid_value",
  "invalid_union",
  "custom",
]);

/** `messages[0].content`, cut short where a caller's own names made it long. */
function fieldName(path: readonly PropertyKey[]): string {
  let name = "";
  for (const step of path) {
    if (typeof step === "number") name += `[${step}]`;
    else name += name === "" ? String(step) : `.${String(step)}`;
  }
  return name.slice(0, 200);
}

function expectation(issue: z.core.$ZodIssue): [Sentence, Values?] {
  switch (issue.code) {
    case "invalid_union":
      return [
        "{field} must be {types}.",
        { types: issue.errors.flatMap(([first]) => (first ? [typeName(first)] : [])) },
      ];
    case "invalid_type":
      return ["{field} must be {types}.", { types: [typeName(issue)] }];
    case "too_small":
      if (issue.inclusive === false) return ["{field} must be more than {least}.", { least: Number(issue.minimum) }];
      return [`{field} must be at least {least}${unit(issue.origin)}.`, { least: Number(issue.minimum) }];
    case "too_big":
      return [`{field} must be at most {most}${unit(issue.origin)}.`, { most: Number(issue.maximum) }];
    case "invalid_value":
      return ["{field} must be one of {values}.", { values: issue.values.map(String).join(", ") }];
    case "custom":
      return [isSentence(issue.message) ? issue.message : "{field} is not valid."];
    default:
      return ["{field} is not valid."];
  }
}

/** What a check of ours says is one, or else zod's own. */
const isSentence = (message: string): message is Sentence => Object.hasOwn(sentences, message);

/** Where a field may be one of several things: what is wrong with the one that it is meant to be, if that can be told. */
function meant(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const first = issue.errors.map(([first]) => first).find((first) => first && !isOfAnotherType(first));
  return first ? meant({ ...first, path: [...issue.path, ...first.path] }) : issue;
}

const isOfAnotherType = ({ code, path }: z.core.$ZodIssue) => code === "invalid_type" && path.length === 0;

function typeName(issue: z.core.$ZodIssue): string {
  const type = issue.code === "invalid_type" ? issue.expected : "value";
  return article(type === "int" ? "whole number" : type);
}

function unit(origin: string): " characters long" | " items long" | "" {
  if (origin === "string") return " characters long";
  return origin === "array" ? " items long" : "";
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}
