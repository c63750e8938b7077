import { type ConfigResult, configFrom, type ProviderConfig } from "./config.ts";
import { nearMisses } from "./near-miss.ts";
import { problemWith } from "./problem.ts";
import { embedsByDefault, insecure, readProviders, takesOwnModel } from "./providers.ts";
import { type Bindings, type Reading, readSettings } from "./read.ts";
import { namesOf, type SettingValues, settingPaths } from "./settings.ts";

/**
 * The settings from a Worker's bindings: `QINGYU_<PATH>` before the shared names before the defaults. Returns either a
 * config that can be used whole, or every problem at once; names and reasons, never values.
 */
export function loadConfig(bindings: Bindings): ConfigResult {
  const reading = readSettings(bindings);
  const providers = readProviders(bindings, reading).map(takesOwnModel);
  checkTogether(bindings, reading, providers);

  const warnings = nearMisses(bindings, new Set(settingPaths.flatMap(namesOf)));
  const [first, ...rest] = reading.problems;
  if (first) return { problems: [first, ...rest], warnings };
  // Without a problem, every setting that has a default has its value.
  const values = reading.values as SettingValues;
  const isOpen = values["auth.api_keys"].length === 0;
  return {
    config: configFrom({
      ...values,
      "ai.providers": providers.map((provider) => embedsByDefault(provider, values["ai.embedding_model"])),
    }),
    problemElsewhere: isOpen
      ? problemWith("auth.api_keys", "is required for callers who are not on this machine, also in development")
      : undefined,
    warnings,
  };
}

/** What the settings must be together, and what only `development` may do without. */
function checkTogether(bindings: Bindings, { values, problems }: Reading, providers: readonly ProviderConfig[]): void {
  const keys = values["auth.api_keys"] ?? [];
  const tenants = new Map(keys.map(({ sha256Hex, tenant }) => [sha256Hex, tenant]));
  if (keys.some(({ sha256Hex, tenant }) => tenants.get(sha256Hex) !== tenant)) {
    problems.push(problemWith("auth.api_keys", "has one key for two tenants"));
  }
  if (values.environment === "development") return;
  if (keys.length === 0) {
    problems.push(problemWith("auth.api_keys", "is required outside development"));
  }
  if (values["ai.allow_insecure_upstream"]) return;
  for (const { name, address } of insecure(providers, bindings)) {
    problems.push(
      problemWith(
        "ai.allow_insecure_upstream",
        `is not true, and the address of ${name} is not https: ${address}`,
        "https addresses, or true where the network in between is private",
      ),
    );
  }
}
