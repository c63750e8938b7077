import type * as z from "zod/mini";
import { type Bindings, type Reading, textOf } from "./read.ts";
import { namesOf, type SettingPath } from "./settings.ts";

/** A setting's list or table as TOML or JSON text wrote it; null where it is torn, undefined where it is unset or plain text. */
export function structuredValue(path: SettingPath, bindings: Bindings): unknown {
  for (const name of namesOf(path)) {
    const given = bindings[name];
    if (typeof given === "object" && given !== null) return given;
    const text = textOf(given);
    if (text === undefined) continue;
    if (!/^[[{]/.test(text)) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }
  return undefined;
}

/**
 * An entry of a list or a table as `schema` describes it, with `${NAME}` in its texts replaced; undefined where it is none.
 * `bad` is told all that is wrong with it.
 */
export function entryIn<S extends z.ZodMiniType>(
  schema: S,
  raw: unknown,
  reading: Pick<Reading, "expandText">,
  bad: (reason: string) => void,
): z.infer<S> | undefined {
  const { value, malformed } = expandMembers(raw, reading);
  for (const member of malformed) bad(`'${member}' has a \${ that is no reference`);
  const { data, error } = schema.safeParse(value, { reportInput: true });
  for (const issue of error?.issues ?? []) bad(complaint(issue));
  return data;
}

/** Replaces `${NAME}` in an entry's texts, after the list was parsed, so that no value can break out of its text. */
function expandMembers(
  entry: unknown,
  { expandText }: Pick<Reading, "expandText">,
): { value: unknown; malformed: string[] } {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return { value: entry, malformed: [] };
  const malformed: string[] = [];
  const members: [string, unknown][] = [];
  for (const [name, value] of Object.entries(entry)) {
    if (typeof value !== "string") {
      members.push([name, value]);
      continue;
    }
    const expanded = expandText(value);
    if (expanded.outcome === "value") members.push([name, expanded.value]);
    if (expanded.outcome === "malformed") malformed.push(name);
  }
  return { value: Object.fromEntries(members), malformed };
}

/** What is wrong with an entry, by its members' names and never their values. */
function complaint(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `unknown ${issue.keys.map((name) => `'${name}'`).join(", ")}`;
  const [member] = issue.path;
  if (member === undefined) return "is not a table";
  return ["invalid_type", "invalid_union"].includes(issue.code ?? "") && issue.input === undefined
    ? `'${String(member)}' is missing`
    : `'${String(member)}' is not valid`;
}
