import type { Config, ConfigResult } from "./config.ts";
import { nearMisses } from "./near-miss.ts";
import { insecure, readProviders, takesOwnModel } from "./providers.ts";
import { type Bindings, type Reading, readSettings, settingPaths } from "./read.ts";
import { namesOf, problemWith } from "./settings.ts";

/**
 * The settings from a Worker's bindings: `QINGYU_<PATH>` before the shared names before the defaults. Returns either a
 * config that can be used whole, or every problem at once; names and reasons, never values.
 */
export function loadConfig(bindings: Bindings): ConfigResult {
  const reading = readSettings(bindings);
  const providers = readProviders(bindings, reading).map(takesOwnModel);
  checkTogether(reading, providers);

  const warnings = nearMisses(bindings, new Set(settingPaths.flatMap(namesOf)));
  const [first, ...rest] = reading.problems;
  if (first) return { problems: [first, ...rest], warnings };
  return { config: assemble(reading, providers), warnings };
}

/** What the settings must be together, and what only `development` may do without. */
function checkTogether({ values, problems }: Reading, providers: Config["ai"]["providers"]): void {
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
  for (const { name } of insecure(providers)) {
    problems.push(
      problemWith(
        "ai.allow_insecure_upstream",
        `is not true, and the address of ${name} is not https`,
        "https addresses, or true where the network in between is private",
      ),
    );
  }
}

/** Called without problems only: every setting that has a default has its value then. */
function assemble({ values }: Reading, providers: Config["ai"]["providers"]): Config {
  const need = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error("a setting with a default has no value");
    return value;
  };
  return {
    environment: need(values.environment),
    ai: {
      model: need(values["ai.model"]),
      models: values["ai.models"],
      maxTokens: Math.min(need(values["ai.max_tokens"]), need(values["limits.max_tokens"])),
      temperature: need(values["ai.temperature"]),
      embeddingModel: need(values["ai.python_service.embedding_model"]),
      providers,
    },
    deadlines: {
      requestMs: need(values["deadlines.request_ms"]),
      firstTokenMs: need(values["deadlines.first_token_ms"]),
      idleMs: need(values["deadlines.idle_ms"]),
    },
    cache: {
      enabled: need(values["cache.enabled"]),
      ttlSeconds: need(values["cache.ttl_seconds"]),
      staleSeconds: need(values["cache.stale_seconds"]),
      readTimeoutMs: need(values["cache.read_timeout_ms"]),
      memoryBytes: need(values["cache.memory_bytes"]),
      isCoordinated: need(values["cache.coordinate"]),
      scope: need(values["cache.scope"]),
      keySecret: values["cache.key_secret"],
      encryptionKey: values["cache.encryption_key"],
    },
    hedge: { afterMs: need(values["hedge.after_ms"]), maxPercent: need(values["hedge.max_percent"]) },
    stream: {
      heartbeatMs: need(values["stream.heartbeat_ms"]),
      atomicTenants: values["stream.atomic_tenants"] ?? [],
    },
    auth: { apiKeys: values["auth.api_keys"] ?? [] },
    limits: {
      bodyBytes: need(values["limits.body_bytes"]),
      promptChars: need(values["limits.prompt_chars"]),
      maxTokens: need(values["limits.max_tokens"]),
    },
    cors: { allowedOrigins: values["cors.allowed_origins"] ?? [] },
  };
}
