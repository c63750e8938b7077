import type { ModelPrice } from "../price.ts";
import { type ConfigResult, configFrom, type ProviderConfig } from "./config.ts";
import { nearMisses } from "./near-miss.ts";
import { readPolicies } from "./policies.ts";
import { readPrices } from "./prices.ts";
import { problemWith, settingName } from "./problem.ts";
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
  const policies = readPolicies(bindings, reading);
  const prices = readPrices(bindings, reading);
  if (policies.some(({ costPerMonth }) => costPerMonth !== undefined) && currenciesOf(prices) !== 1) {
    const reason = "limits what is spent, for which usage.prices must be in one currency";
    reading.problems.push(problemWith("policies", reason));
  }
  checkTogether(bindings, reading, providers);

  const warnings = nearMisses(bindings, new Set(settingPaths.flatMap(namesOf)));
  const [first, ...rest] = reading.problems;
  if (first) return { problems: [first, ...rest], warnings };
  // Without a problem, every setting that has a default has its value.
  const values = reading.values as SettingValues;
  const isOpen = values["auth.api_keys"].length === 0 && !letsOthersIn(values);
  return {
    config: configFrom({
      ...values,
      "usage.prices": prices,
      "ai.providers": providers.map((provider) => embedsByDefault(provider, values["ai.embedding_model"])),
      policies,
    }),
    problemElsewhere: isOpen
      ? problemWith(
          "auth.api_keys",
          "is required for callers who are not on this machine, also in development, unless tokens are taken or operators make keys",
        )
      : undefined,
    warnings: [...warnings, ...weaknesses(reading)],
  };
}

function currenciesOf(prices: readonly ModelPrice[]): number {
  return new Set(prices.map(({ currency }) => currency)).size;
}

/** What the settings must be together, and what only `development` may do without. */
function checkTogether(bindings: Bindings, { values, problems }: Reading, providers: readonly ProviderConfig[]): void {
  const keys = values["auth.api_keys"] ?? [];
  const tenants = new Map(keys.map(({ sha256Hex, tenant }) => [sha256Hex, tenant]));
  if (keys.some(({ sha256Hex, tenant }) => tenants.get(sha256Hex) !== tenant)) {
    problems.push(problemWith("auth.api_keys", "has one key for two tenants"));
  }
  if (values["auth.admin_keys"]?.some(({ sha256Hex }) => tenants.has(sha256Hex))) {
    problems.push(problemWith("auth.admin_keys", "has a key that is also in auth.api_keys"));
  }
  if (values.environment === "development") return;
  if (keys.length === 0 && !letsOthersIn(values)) {
    problems.push(problemWith("auth.api_keys", "is required outside development"));
  }
  if (isShort(values["auth.jwt.secret"])) problems.push(problemWith("auth.jwt.secret", tooShort));
  if (values["ai.allow_insecure_upstream"]) return;
  const others = otherAddresses
    .filter(({ path }) => values[path]?.startsWith("http:"))
    .map(({ name, path }) => ({ name, address: settingName(path) }));
  for (const { name, address } of [...insecure(providers, bindings), ...others]) {
    problems.push(
      problemWith(
        "ai.allow_insecure_upstream",
        `is not true, and the address of ${name} is not https: ${address}`,
        "https addresses, or true where the network in between is private",
      ),
    );
  }
}

/** Who else is asked than providers, by the settings that say where they are. */
const otherAddresses = [
  { name: "the tokens' keys", path: "auth.jwt.jwks_url" },
  { name: "the platform", path: "platform.url" },
] as const;

/** Whether callers may come with tokens, or with keys that an operator makes. */
function letsOthersIn(values: Reading["values"]): boolean {
  const takesTokens = values["auth.jwt.secret"] !== undefined || values["auth.jwt.jwks_url"] !== undefined;
  return takesTokens || (values["auth.admin_keys"] ?? []).length > 0;
}

/** HS256 takes a key that is as long as what it makes (RFC 7518, 3.2): a shorter one can be guessed from any token. */
const minSecretBytes = 32;
const tooShort = `has fewer than ${minSecretBytes} bytes: whoever has a token may guess it`;

function isShort(secret: string | undefined): boolean {
  return secret !== undefined && new TextEncoder().encode(secret).length < minSecretBytes;
}

/** What will do in development only, and what whoever runs it should know. */
function weaknesses({ values }: Reading): string[] {
  const warnings: string[] = [];
  if (isShort(values["auth.jwt.secret"])) warnings.push(`${settingName("auth.jwt.secret")} ${tooShort}.`);
  const tenants = new Set(values["auth.api_keys"]?.map(({ tenant }) => tenant));
  if (values["platform.url"] !== undefined && values["platform.tenants"] === undefined && tenants.size > 1) {
    warnings.push(
      `${settingName("platform.tenants")} is unset: callers of every tenant may have the platform's texts read.`,
    );
  }
  return warnings;
}
