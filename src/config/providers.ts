import * as z from "zod/mini";
import { matchesPattern } from "../model-pattern.ts";
import type { ProviderConfig } from "./config.ts";
import { baseUrl } from "./parsers.ts";
import { problemWith, settingName } from "./problem.ts";
import { type Bindings, firstGiven, type Reading } from "./read.ts";
import { type BuiltInName, builtInNames, keyForm, type SettingPath, settings } from "./settings.ts";
import { entryIn, structuredValue } from "./structured.ts";

/** The names that each provider takes as they are where the settings do not say. */
const builtInModels = {
  openai: {
    models: ["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*"],
    embeddingModels: ["text-embedding-3-small", "text-embedding-*"],
  },
  anthropic: { models: ["claude-*"] },
} as const;

/**
 * The chain of providers: a list of names that pick from the settings, or a structured list. Adds what is wrong to the
 * reading's problems.
 */
export function readProviders(bindings: Bindings, reading: Reading): readonly ProviderConfig[] {
  const structured = structuredValue("ai.providers", bindings);
  const providers = structured === undefined ? fromNames(bindings, reading) : fromList(structured, reading);
  if (providers.length === 0 && reading.problems.length === 0) {
    reading.problems.push(problemWith("ai.providers", "names nobody who could answer"));
  }
  return providers;
}

/** The built-in providers: those that the setting names, else those that are configured. */
function fromNames(bindings: Bindings, reading: Reading): ProviderConfig[] {
  const given = firstGiven("ai.providers", bindings, reading.expandText);
  const asked = given?.outcome === "value" ? settings["ai.providers"].parse(given.value) : undefined;
  if (given && !asked) reading.problems.push(problemWith("ai.providers", "is not valid"));
  const providers: ProviderConfig[] = [];
  for (const name of new Set(asked ?? builtInNames)) {
    const provider = builtIn(name, reading);
    if (provider) providers.push(provider);
    else if (asked)
      reading.problems.push(problemWith(requirement[name], `is required, since ai.providers names ${name}`));
  }
  return providers;
}

/** What makes a built-in provider configured. */
const requirement: Readonly<Record<BuiltInName, SettingPath>> = {
  "ai-service": "ai.python_service.url",
  openai: "ai.api_key",
  anthropic: "ai.anthropic.api_key",
};

function builtIn(name: BuiltInName, reading: Reading): ProviderConfig | undefined {
  const { values } = reading;
  switch (name) {
    case "ai-service": {
      const url = aiServiceUrl(reading);
      if (url === undefined) return undefined;
      return {
        name,
        type: name,
        baseUrl: url,
        apiKey: values["ai.python_service.token"],
        protocol: values["ai.python_service.protocol"],
      };
    }
    case "openai":
      return hosted(name, {
        apiKey: values["ai.api_key"],
        baseUrl: values["ai.base_url"],
        model: values["ai.model"],
      });
    case "anthropic":
      return hosted(name, {
        apiKey: values["ai.anthropic.api_key"],
        baseUrl: values["ai.anthropic.base_url"],
        model: values["ai.anthropic.model"],
      });
  }
}

function hosted(
  name: "openai" | "anthropic",
  { apiKey, baseUrl, model }: Partial<Pick<ProviderConfig, "apiKey" | "baseUrl" | "model">>,
): ProviderConfig | undefined {
  if (apiKey === undefined || baseUrl === undefined || model === undefined) return undefined;
  return { name, type: name, baseUrl, apiKey, model, ...builtInModels[name] };
}

/** In development there is always an address; elsewhere an AI service is only there where the settings say so. */
function aiServiceUrl({ values, isSet }: Reading): string | undefined {
  if (isSet("ai.python_service.url")) return values["ai.python_service.url"];
  const isDevelopment = values.environment === "development";
  if (!isDevelopment && !isSet("ai.python_service.host")) return undefined;
  const [host, port] = [values["ai.python_service.host"], values["ai.python_service.grpc_port"]];
  return host && port ? `${isDevelopment ? "http" : "https"}://${host}:${port}` : undefined;
}

const entrySchema = z.strictObject({
  name: z.string().check(z.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)),
  type: z.enum(builtInNames),
  baseUrl: z.string(),
  apiKey: z.optional(z.string().check(z.regex(keyForm))),
  model: z.optional(z.string().check(z.minLength(1))),
  models: z.optional(z.array(z.string().check(z.minLength(1)))),
  embeddingModels: z.optional(z.array(z.string().check(z.minLength(1))).check(z.minLength(1))),
  contextTokens: z.optional(z.int().check(z.positive())),
  protocol: z.optional(z.enum(["connect", "grpc-web"])),
});

function fromList(list: unknown, reading: Reading): ProviderConfig[] {
  const bad = (reason: string) => reading.problems.push(problemWith("ai.providers", reason));
  if (!Array.isArray(list)) {
    bad("is not a list");
    return [];
  }
  const providers: ProviderConfig[] = [];
  for (const [index, raw] of list.entries()) {
    const at = `entry ${index + 1}`;
    const entry = entryIn(entrySchema, raw, reading, (reason) => bad(`${at}: ${reason}`));
    if (!entry) continue;
    const url = baseUrl().parse(entry.baseUrl);
    if (url === undefined) bad(`${at}: 'baseUrl' is not valid`);
    else if (providers.some(({ name }) => name === entry.name)) bad(`${at}: its name is taken already`);
    else providers.push({ ...entry, baseUrl: url });
  }
  return providers;
}

/** Every upstream that is not reached over TLS, and what holds its address. */
export function insecure(
  providers: readonly ProviderConfig[],
  bindings: Bindings,
): readonly { readonly name: string; readonly address: string }[] {
  const isStructured = structuredValue("ai.providers", bindings) !== undefined;
  return providers
    .filter(({ baseUrl }) => !baseUrl.startsWith("https:"))
    .map(({ name, type }) => {
      if (isStructured) return { name, address: `'baseUrl' of ${name} in ${settingName("ai.providers")}` };
      return { name, address: settingName(addresses[type]) };
    });
}

/** Where a built-in provider has its address from; that of an AI service's host alone is https outside development. */
const addresses: Readonly<Record<BuiltInName, SettingPath>> = {
  "ai-service": "ai.python_service.url",
  openai: "ai.base_url",
  anthropic: "ai.anthropic.base_url",
};

/**
 * An AI service embeds for the name in the settings where it lists none: deployed ones give their own model's vectors
 * whatever is asked for.
 */
export function embedsByDefault(provider: ProviderConfig, model: string): ProviderConfig {
  return provider.type === "ai-service" && !provider.embeddingModels
    ? { ...provider, embeddingModels: [model] }
    : provider;
}

/** A model that is named on purpose is taken as it is, even where no built-in pattern knows it. */
export function takesOwnModel(provider: ProviderConfig): ProviderConfig {
  const { model, models } = provider;
  if (!model || !models || models.some((pattern) => matchesPattern(model, pattern))) return provider;
  return { ...provider, models: [...models, model] };
}
