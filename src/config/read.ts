import { type Expanded, expand } from "./expand.ts";
import { type ConfigProblem, problemWith } from "./problem.ts";
import { namesOf, type SettingPath, type SettingValues, settingPaths, settings } from "./settings.ts";

/** What a Worker's `env` holds: texts, values of `[vars]` that TOML typed, and bindings that are no settings. */
export type Bindings = Readonly<Record<string, unknown>>;

export interface Reading {
  /** Undefined where a setting is unset and has no default, or is wrong. */
  readonly values: { readonly [Path in SettingPath]: SettingValues[Path] | undefined };
  readonly problems: ConfigProblem[];
  /** Whether the environment says something for this setting. */
  readonly isSet: (path: SettingPath) => boolean;
  readonly expandText: (text: string) => Expanded;
}

/** May be structured; read by files of their own (`providers.ts`, `policies.ts`, `prices.ts`). */
const structured: ReadonlySet<SettingPath> = new Set(["ai.providers", "policies", "usage.prices"]);

/** Reads every setting from its strongest name that is not blank, and collects every problem. Never shows a value. */
export function readSettings(bindings: Bindings): Reading {
  const problems: ConfigProblem[] = [];
  const values: Partial<Record<SettingPath, unknown>> = {};
  const present = new Set<SettingPath>();
  const expandText = (text: string) => expand(text, (name) => textOf(bindings[name]));

  for (const path of settingPaths) {
    if (structured.has(path)) continue;
    const setting = settings[path];
    const given = firstGiven(path, bindings, expandText);
    const found = given?.outcome === "value" ? given.value : setting.default;
    if (given?.outcome === "value") present.add(path);
    if (given?.outcome === "malformed") {
      problems.push(problemWith(path, "has a ${ that is no reference"));
    } else if (found !== undefined) {
      values[path] = setting.parse(found);
      if (values[path] === undefined) problems.push(problemWith(path, "is not valid"));
    }
  }
  // Each value was made by its own setting's parser.
  return { values: values as Reading["values"], problems, isSet: (path) => present.has(path), expandText };
}

/** A setting's text from its strongest name that is not blank, references replaced. */
export function firstGiven(
  path: SettingPath,
  bindings: Bindings,
  expandText: Reading["expandText"],
): Expanded | undefined {
  for (const name of namesOf(path)) {
    const text = textOf(bindings[name]);
    const expanded = text === undefined ? undefined : expandText(text);
    if (expanded && expanded.outcome !== "unset") return expanded;
  }
  return undefined;
}

/** A binding as a setting's text; undefined where it is blank, missing or no setting at all. */
export function textOf(binding: unknown): string | undefined {
  const text = typeof binding === "number" || typeof binding === "boolean" ? String(binding) : binding;
  return typeof text === "string" && text.trim() !== "" ? text.trim() : undefined;
}
