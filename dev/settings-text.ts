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

/** What a deployment by a click asks for: a way in, and somebody to ask. Every name that is not commented out must be filled in. */
const askedFor: readonly SettingPath[] = ["auth.api_keys", "auth.admin_keys", "ai.api_key"];

/** `.dev.vars.example`: every secret and nothing else, without values, those first that the button asks for. */
export function secretsText(): string {
  const secrets = settingPaths.filter((path) => settings[path].isSecret);
  const entry = (path: SettingPath, line: string) =>
    `# ${settings[path].about}\n# ${settings[path].expected}\n${line}\n`;
  const asked = askedFor.map((path) => entry(path, `${nameOf(path)}=`));
  const others = secrets.filter((path) => !askedFor.includes(path)).map((path) => entry(path, `# ${nameOf(path)}=`));
  return [
    "# The gateway's secrets. Made by 'npm run generate'; 'Deploy to Cloudflare' asks for those that are not commented out.\n",
    ...asked,
    ...others,
  ].join("\n");
}

const button = "https://deploy.workers.cloudflare.com";

/** The button of the README, by the `repository` of package.json; how to come to one where there is none. */
export function deployButton(repository: string | undefined): string {
  if (repository !== undefined) return `[![Deploy to Cloudflare](${button}/button)](${button}/?url=${repository})\n`;
  return `[![Deploy to Cloudflare](${button}/button)](docs/deploy.md#with-a-click)

This copy has no public address yet. Once it is on GitHub or GitLab, where all can read it, \`${button}/?url=<its address>\` deploys it; with that address as \`repository\` in \`package.json\`, \`npm run generate\` makes the button lead there.
`;
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
