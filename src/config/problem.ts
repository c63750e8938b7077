import { namesOf, type SettingPath, settings } from "./settings.ts";

/** Something wrong or suspicious in the settings. Names only, never values. */
export interface ConfigProblem {
  /** The setting's names, the one that was read first. */
  readonly setting: string;
  readonly reason: string;
  /** What a correct value looks like. */
  readonly expected: string;
}

/** What is wrong with a setting: under its path and all its names, with what a correct value looks like. */
export function problemWith(path: SettingPath, reason: string, expected = settings[path].expected): ConfigProblem {
  return { setting: settingName(path), reason, expected };
}

/** A setting's path and all its names. */
export function settingName(path: SettingPath): string {
  return `${path} (${namesOf(path).join(", ")})`;
}
