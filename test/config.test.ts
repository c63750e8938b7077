import { describe, expect, it } from "vitest";
import example from "../.env.example?raw";
import { withPart } from "../dev/markdown.ts";
import { exampleText, settingsTable } from "../dev/settings-text.ts";
import readme from "../README.md?raw";
import type { Config } from "../src/config/config.ts";
import { expand } from "../src/config/expand.ts";
import { loadConfig } from "../src/config/load.ts";
import { namesOf, settingPaths, settings } from "../src/config/settings.ts";

const hex = (digit: string) => digit.repeat(64);
const production = {
  ENVIRONMENT: "production",
  GATEWAY_API_KEYS: `a:${hex("a")}`,
  PYTHON_AI_SERVICE_URL: "https://ai.example.com",
};

/** The settings of a config that must be usable. */
function config(bindings: Record<string, unknown>) {
  const { config, problems } = loadConfig(bindings);
  if (!config) throw new Error(JSON.stringify(problems));
  return config;
}

const problemsOf = (bindings: Record<string, unknown>) => loadConfig(bindings).problems ?? [];

describe("the layers", () => {
  it("start from the defaults", () => {
    const defaults: Config = {
      environment: "development",
      ai: {
        pythonService: {
          url: undefined,
          host: "localhost",
          grpcPort: 50_052,
          protocol: "connect",
          token: undefined,
        },
        allowInsecureUpstream: false,
        apiKey: undefined,
        baseUrl: "https://api.openai.com/v1",
        model: "gpt-4-turbo-preview",
        models: undefined,
        maxTokens: undefined,
        temperature: undefined,
        embeddingModel: "BAAI/bge-large-zh-v1.5",
        anyEmbeddingModel: false,
        creativeFallback: true,
        anthropic: { apiKey: undefined, baseUrl: "https://api.anthropic.com", model: "claude-sonnet-4-6" },
        providers: [
          {
            name: "ai-service",
            type: "ai-service",
            baseUrl: "http://localhost:50052",
            apiKey: undefined,
            protocol: "connect",
            embeddingModels: ["BAAI/bge-large-zh-v1.5"],
          },
        ],
      },
      platform: { url: undefined, serviceKey: undefined, tenants: undefined },
      deadlines: { requestMs: 120_000, plainMs: 60_000, firstTokenMs: 10_000, idleMs: 15_000 },
      runs: { maxMs: 300_000 },
      hedge: { afterMs: 0, maxPercent: 10 },
      cache: {
        enabled: true,
        ttlSeconds: 3600,
        staleSeconds: 86_400,
        knowledgeSeconds: 0,
        readTimeoutMs: 50,
        memoryBytes: 4_194_304,
        coordinate: false,
        scope: "tenant",
        keySecret: undefined,
        encryptionKey: undefined,
      },
      stream: { heartbeatMs: 10_000, batchMs: 0, atomicTenants: [] },
      auth: {
        apiKeys: [],
        adminKeys: [],
        jwt: {
          secret: undefined,
          jwksUrl: undefined,
          issuer: "qingyu",
          audience: undefined,
          tenant: "qingyu",
          tenantClaim: undefined,
        },
      },
      policies: [],
      limits: { onUnreachable: "refuse", bodyBytes: 4_194_304, promptChars: 400_000, maxTokens: 131_072 },
      usage: { prices: [], keptDays: 90 },
      chats: { keptDays: 180 },
      cors: { allowedOrigins: [] },
    };
    expect(config({})).toStrictEqual(defaults);
  });

  it("take the strongest name that is not blank", () => {
    const model = (bindings: Record<string, unknown>) => config(bindings).ai.model;
    expect(model({ OPENAI_MODEL: "shared" })).toBe("shared");
    expect(model({ OPENAI_MODEL: "shared", QINGYU_AI_MODEL: "strong" })).toBe("strong");
    expect(model({ OPENAI_MODEL: "shared", QINGYU_AI_MODEL: "  " })).toBe("shared");
    expect(model({ OPENAI_MODEL: "" })).toBe("gpt-4-turbo-preview");
  });

  it("know the aliases of the service's host and port, and its https outside development", () => {
    const url = (bindings: Record<string, unknown>) => config(bindings).ai.providers[0]?.baseUrl;
    expect(url({ QINGYU_AI_PYTHON_HOST: "ai", QINGYU_AI_PYTHON_GRPC_PORT: "50051" })).toBe("http://ai:50051");
    expect(url({ ...production, PYTHON_AI_SERVICE_URL: "", PYTHON_AI_HOST: "ai" })).toBe("https://ai:50052");
    expect(url({ PYTHON_AI_SERVICE_URL: "http://x/base/" })).toBe("http://x/base");
  });

  it("know the embedding model by its shared name and by the one that it had", () => {
    const model = (bindings: Record<string, unknown>) => config(bindings).ai.embeddingModel;
    expect(model({ EMBEDDING_MODEL_NAME: "a" })).toBe("a");
    expect(model({ QINGYU_AI_PYTHON_SERVICE_EMBEDDING_MODEL: "b" })).toBe("b");
    expect(model({ QINGYU_AI_EMBEDDING_MODEL: "c", EMBEDDING_MODEL_NAME: "a" })).toBe("c");
  });

  it("take what TOML typed already", () => {
    expect(config({ QINGYU_CACHE_ENABLED: false, QINGYU_CACHE_TTL_SECONDS: 60 }).cache).toMatchObject({
      enabled: false,
      ttlSeconds: 60,
    });
  });
});

describe("references", () => {
  const names: Record<string, string> = { A: "a", NESTED: "${A}" };
  it.each([
    ["x", { outcome: "value", value: "x" }],
    ["${A}-${A}", { outcome: "value", value: "a-a" }],
    ["${MISSING}", { outcome: "unset" }],
    ["x${MISSING}", { outcome: "unset" }],
    ["${MISSING:-}", { outcome: "unset" }],
    ["${MISSING:-d}", { outcome: "value", value: "d" }],
    ["${A:-d}", { outcome: "value", value: "a" }],
    ["${NESTED}", { outcome: "malformed" }],
    ["${A", { outcome: "malformed" }],
    ["${not a name}", { outcome: "malformed" }],
  ])("%s", (text, expected) => {
    expect(expand(text, (name) => names[name])).toEqual(expected);
  });

  it("are replaced in every setting, and a missing one leaves it unset", () => {
    expect(config({ OPENAI_MODEL: "${M}", M: "gpt-x" }).ai.model).toBe("gpt-x");
    expect(config({ OPENAI_MODEL: "${M}" }).ai.model).toBe("gpt-4-turbo-preview");
    expect(problemsOf({ OPENAI_MODEL: "${" })).toMatchObject([{ reason: "has a ${ that is no reference" }]);
  });
});

describe("the chain", () => {
  const chain = (bindings: Record<string, unknown>) => config(bindings).ai.providers;

  it("is made of what is configured, in its order", () => {
    const keys = { OPENAI_API_KEY: "o", ANTHROPIC_API_KEY: "a" };
    expect(chain(keys).map(({ name }) => name)).toEqual(["ai-service", "openai", "anthropic"]);
    expect(chain({ ...keys, AI_PROVIDERS: "anthropic, openai" }).map(({ name }) => name)).toEqual([
      "anthropic",
      "openai",
    ]);
    expect(chain({ ...production, PYTHON_AI_SERVICE_URL: "", OPENAI_API_KEY: "o" }).map(({ name }) => name)).toEqual([
      "openai",
    ]);
  });

  it("lets OpenAI take its own names and the one that it is configured with", () => {
    const [provider] = chain({ OPENAI_API_KEY: "o", AI_PROVIDERS: "openai", OPENAI_MODEL: "my-tuned" });
    expect(provider).toMatchObject({
      model: "my-tuned",
      models: ["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "my-tuned"],
    });
  });

  it("lets each provider embed for the models that its entry lists, and an AI service otherwise for the settings' own", () => {
    const listed = { name: "b", type: "ai-service", baseUrl: "https://b.test", embeddingModels: ["bge-*"] };
    const service = { name: "a", type: "ai-service", baseUrl: "https://a.test" };
    const silent = { name: "c", type: "openai", baseUrl: "https://c.test" };
    const modelsOf = (bindings: Record<string, unknown>) =>
      chain(bindings).map(({ embeddingModels }) => embeddingModels);
    const own = { EMBEDDING_MODEL_NAME: "mine" };
    expect(modelsOf({ ...own, AI_PROVIDERS: [service, listed, silent] })).toEqual([["mine"], ["bge-*"], undefined]);
    expect(modelsOf({ ...own, OPENAI_API_KEY: "o", ANTHROPIC_API_KEY: "a" })).toEqual([
      ["mine"],
      ["text-embedding-3-small", "text-embedding-*"],
      undefined,
    ]);
  });

  const entry = {
    name: "deepseek",
    type: "openai",
    baseUrl: "https://api.deepseek.com/v1/",
    apiKey: "${KEY}",
    model: "deepseek-chat",
  };
  const read = { ...entry, baseUrl: "https://api.deepseek.com/v1", apiKey: 'quo"te' };

  it("may be a structured list, in TOML or as JSON text, with references in its texts", () => {
    const KEY = 'quo"te';
    expect(chain({ KEY, AI_PROVIDERS: [entry] })).toEqual([read]);
    expect(chain({ KEY, AI_PROVIDERS: JSON.stringify([entry]) })).toEqual([read]);
    expect(chain({ AI_PROVIDERS: [entry] })[0]?.apiKey).toBeUndefined();
  });

  it.each([
    ["an unknown member", [{ ...entry, url: "x" }], "entry 1: unknown 'url'"],
    ["a missing member", [entry, { name: "b", type: "openai" }], "entry 2: 'baseUrl' is missing"],
    ["a wrong type", [{ ...entry, type: "gemini" }], "entry 1: 'type' is not valid"],
    [
      "an empty list of embedding models",
      [{ ...entry, embeddingModels: [] }],
      "entry 1: 'embeddingModels' is not valid",
    ],
    ["a wrong address", [{ ...entry, baseUrl: "ftp://x" }], "entry 1: 'baseUrl' is not valid"],
    ["an address whose name is missing", [{ ...entry, baseUrl: "${GONE}" }], "entry 1: 'baseUrl' is missing"],
    ["a torn reference", [{ ...entry, apiKey: "${KEY" }], "entry 1: 'apiKey' has a ${ that is no reference"],
    ["a name that stands twice", [entry, entry], "entry 2: its name is taken already"],
    ["something that is no table", ["x"], "entry 1: is not a table"],
    ["an empty list", [], "names nobody who could answer"],
    ["torn JSON", "[{", "is not a list"],
    ["an unknown name", "gemini", "is not valid"],
  ])("refuses %s", (_, list, reason) => {
    expect(problemsOf({ AI_PROVIDERS: list })).toMatchObject([{ reason }]);
  });

  it("refuses to name a provider that is not configured", () => {
    const [problem] = problemsOf({ AI_PROVIDERS: "openai" });
    expect(problem).toMatchObject({
      setting: expect.stringContaining("OPENAI_API_KEY"),
      reason: "is required, since ai.providers names openai",
    });
  });
});

describe("outside development", () => {
  it("serves with keys and https", () => {
    expect(config(production).auth.apiKeys).toEqual([{ tenant: "a", sha256Hex: hex("a") }]);
  });

  it("refuses to serve without keys", () => {
    expect(problemsOf({ ...production, GATEWAY_API_KEYS: "" })).toMatchObject([
      { reason: "is required outside development" },
    ]);
  });

  it.each([
    [
      "ai-service",
      { PYTHON_AI_SERVICE_URL: "http://a" },
      "ai.python_service.url (QINGYU_AI_PYTHON_SERVICE_URL, PYTHON_AI_SERVICE_URL)",
    ],
    [
      "openai",
      { OPENAI_BASE_URL: "http://a", OPENAI_API_KEY: "k" },
      "ai.base_url (QINGYU_AI_BASE_URL, OPENAI_BASE_URL)",
    ],
    [
      "anthropic",
      { ANTHROPIC_BASE_URL: "http://a", ANTHROPIC_API_KEY: "k" },
      "ai.anthropic.base_url (QINGYU_AI_ANTHROPIC_BASE_URL, ANTHROPIC_BASE_URL)",
    ],
    [
      "mine",
      { AI_PROVIDERS: '[{"name":"mine","type":"openai","baseUrl":"http://a"}]' },
      "'baseUrl' of mine in ai.providers (QINGYU_AI_PROVIDERS, AI_PROVIDERS)",
    ],
  ])("refuses http upstreams unless they are allowed: %s", (name, http, address) => {
    expect(problemsOf({ ...production, PYTHON_AI_SERVICE_URL: "", ...http })).toMatchObject([
      {
        setting: "ai.allow_insecure_upstream (QINGYU_AI_ALLOW_INSECURE_UPSTREAM)",
        reason: `is not true, and the address of ${name} is not https: ${address}`,
      },
    ]);
    const allowed = { ...production, PYTHON_AI_SERVICE_URL: "", ...http, QINGYU_AI_ALLOW_INSECURE_UPSTREAM: "true" };
    expect(config(allowed).ai.providers).toHaveLength(1);
  });

  it("refuses the platform over http", () => {
    const http = { ...production, QINGYU_PLATFORM_URL: "http://platform:9090/" };
    expect(problemsOf(http)).toMatchObject([
      { reason: "is not true, and the address of the platform is not https: platform.url (QINGYU_PLATFORM_URL)" },
    ]);
    expect(config({ ...http, QINGYU_AI_ALLOW_INSECURE_UPSTREAM: "true" }).platform.url).toBe("http://platform:9090");
    expect(problemsOf({ QINGYU_PLATFORM_URL: "http://platform:9090?key=1" })).toMatchObject([
      { setting: "platform.url (QINGYU_PLATFORM_URL)" },
    ]);
  });

  it("warns of a platform whose texts are for every tenant", () => {
    const keys = `a:${"0".repeat(64)},b:${"1".repeat(64)}`;
    const several = { ...production, GATEWAY_API_KEYS: keys, QINGYU_PLATFORM_URL: "https://platform" };
    const warningsOf = (settings: Record<string, string>) => loadConfig(settings).warnings;
    expect(warningsOf(several)).toEqual([
      expect.stringContaining("platform.tenants (QINGYU_PLATFORM_TENANTS) is unset"),
    ]);
    expect(warningsOf({ ...several, QINGYU_PLATFORM_TENANTS: "a" })).toEqual([]);
    expect(warningsOf({ ...several, GATEWAY_API_KEYS: `a:${"0".repeat(64)}` })).toEqual([]);
  });

  it("refuses keys of tokens over http, and secrets that can be guessed", () => {
    const tokens = { ...production, GATEWAY_API_KEYS: "", QINGYU_AUTH_JWT_JWKS_URL: "http://id/jwks?of=all" };
    expect(problemsOf({ ...tokens, JWT_SECRET: "s".repeat(31) })).toMatchObject([
      { setting: "auth.jwt.secret (QINGYU_AUTH_JWT_SECRET, JWT_SECRET)" },
      {
        reason:
          "is not true, and the address of the tokens' keys is not https: auth.jwt.jwks_url (QINGYU_AUTH_JWT_JWKS_URL)",
      },
    ]);
    const allowed = { ...tokens, QINGYU_AI_ALLOW_INSECURE_UPSTREAM: "true", JWT_SECRET: "s".repeat(32) };
    expect(config(allowed).auth.jwt).toMatchObject({ jwksUrl: "http://id/jwks?of=all", secret: "s".repeat(32) });
  });

  it("is everything that is not spelled development", () => {
    expect(problemsOf({ ENVIRONMENT: "Development" })).toContainEqual(
      expect.objectContaining({ setting: expect.stringContaining("ENVIRONMENT"), reason: "is not valid" }),
    );
    expect(problemsOf({ ENVIRONMENT: "develop" })).not.toEqual([]);
  });
});

describe("problems", () => {
  it("come all at once, name the setting, and never show a value", () => {
    const planted = "pl4nted ${";
    const bindings = Object.fromEntries(settingPaths.map((path) => [namesOf(path).at(-1) ?? "", planted]));
    const problems = problemsOf(bindings);
    for (const path of settingPaths) {
      expect(
        problems.filter(({ setting }) => setting.startsWith(`${path} (`)),
        path,
      ).not.toEqual([]);
    }
    expect(JSON.stringify(loadConfig(bindings))).not.toContain("pl4nted");
  });

  it.each([
    ["QINGYU_DEADLINES_REQUEST_MS", ["0", "-1", "1.5", "1e3", "soon", "3600001"]],
    ["QINGYU_AI_TEMPERATURE", ["2.1", "-0.1", "warm"]],
    ["QINGYU_STREAM_BATCH_MS", ["-1", "1001", "0.5"]],
    ["PYTHON_AI_GRPC_PORT", ["0", "65536"]],
    ["PYTHON_AI_PROTOCOL", ["grpc", "CONNECT"]],
    ["QINGYU_CACHE_ENABLED", ["yes", "2"]],
    ["CACHE_KEY_SECRET", ["short"]],
    ["OPENAI_BASE_URL", ["api.openai.com", "ftp://x", "https://user:secret@x", "https://x?key=secret", "https://x#y"]],
    ["OPENAI_API_KEY", ["two words", "钥匙"]],
    ["GATEWAY_API_KEYS", ["a", `a:${hex("a").slice(1)}`, `a b:${hex("a")}`, `a:${hex("a")},b:${hex("a")}`]],
    [
      "CORS_ALLOWED_ORIGINS",
      [
        "*",
        "null",
        "https://x/path",
        "x.com",
        "tauri://localhost/",
        "tauri://",
        "Tauri://x",
        "tauri:x",
        "file://x",
        "https://",
      ],
    ],
    ["QINGYU_AUTH_JWT_JWKS_URL", ["id.example.com", "ftp://x", "https://user:secret@x/jwks", "https://x/jwks#y"]],
    ["QINGYU_AUTH_JWT_ISSUER", ["two words"]],
    ["QINGYU_AUTH_JWT_TENANT", ["a:b", "青羽", "t".repeat(65)]],
  ])("%s refuses %j", (name, texts) => {
    for (const text of texts) {
      const problems = problemsOf({ [name]: text });
      expect(problems, text).toHaveLength(1);
      expect(problems[0]?.setting).toContain(name);
      expect(problems[0]?.expected).not.toBe("");
      expect(JSON.stringify(problems)).not.toContain("secret@");
    }
  });
});

describe("near misses", () => {
  it("are warned of by name", () => {
    const { warnings } = loadConfig({
      QINGYU_AI_MODLE: "x",
      OPENAI_API_KEYS: "x",
      QINGYU_SOMETHING_ELSE: "x",
      MY_OWN: "x",
      CACHE: {},
    });
    expect(warnings).toEqual([
      "QINGYU_AI_MODLE is not a setting; did you mean QINGYU_AI_MODEL?",
      "OPENAI_API_KEYS is not a setting; did you mean OPENAI_API_KEY?",
      "QINGYU_SOMETHING_ELSE is not a setting.",
    ]);
  });

  it("do not take one setting for another", () => {
    expect(loadConfig(Object.fromEntries(settingPaths.flatMap(namesOf).map((name) => [name, "x"]))).warnings).toEqual(
      [],
    );
  });
});

describe("what is written about the settings", () => {
  it("is what the code says", () => {
    expect(example).toContain(`gateway:start ----\n\n${exampleText()}\n# ---- gateway:end`);
    expect(readme).toBe(withPart(readme, "settings", settingsTable()));
  });

  it("leaves no default that would be refused", () => {
    for (const path of settingPaths) {
      const { default: value, parse } = settings[path];
      if (value !== undefined) expect(parse(value), path).toBeDefined();
    }
  });
});
