import { namesOf, type SettingPath, settingPaths, settings } from "../src/config/settings.ts";
import { table } from "./markdown.ts";

/** The name that the examples use: the shared one where there is one. */
function nameOf(path: SettingPath): string {
  return settings[path].names[0] ?? namesOf(path)[0] ?? path;
}

function defaultOf(path: SettingPath): string {
  const { default: value, unset } = settings[path];
  return value || unset || "none";
}

/** The gateway's part of `.env.example`: every setting, commented out, with what it does and its default. */
export function exampleText(): string {
  const entries = settingPaths.map((path) => {
    const { about, expected, default: value } = settings[path];
    return `# ${about}\n# ${expected}; default: ${defaultOf(path)}\n# ${nameOf(path)}=${value ?? ""}\n`;
  });
  return entries.join("\n");
}

/** The README's table of settings. */
export function settingsTable(): string {
  const rows = settingPaths.map((path) => {
    const { about, expected, isSecret } = settings[path];
    const names = [...settings[path].names, namesOf(path)[0]].map((name) => `\`${name}\``).join(", ");
    return [`\`${path}\``, names, `${defaultOf(path)}${isSecret ? " (secret)" : ""}`, `${about} Form: ${expected}.`];
  });
  return table(["setting", "names in the environment", "default", "meaning"], rows);
}
