import { tenantForm } from "../caller.ts";
import type { PolicyEntry } from "../policy.ts";
import type { ModelPrice } from "../price.ts";
import {
  address,
  baseUrl,
  decimal,
  listOf,
  oneOf,
  origin,
  type Parser,
  secret,
  text,
  whole,
  yesOrNo,
} from "./parsers.ts";

/** One setting, once: reading it, its place in `Config`, its problems, `.env.example` and the README's table come from here. */
export interface Setting<T> extends Parser<T> {
  /** Shared environment names, the strongest first; `QINGYU_<PATH>` stands above them all. */
  readonly names: readonly string[];
  /** As text, the way a user would write it, empty for an empty list; absent where the setting is unset by default. */
  readonly default?: string;
  /** Why there is no plain default, where that needs saying. */
  readonly unset?: string;
  readonly isSecret: boolean;
  readonly about: string;
}

type More = Partial<Pick<Setting<never>, "names" | "default" | "unset" | "isSecret">>;
type WithDefault = { readonly default: string };

function setting<T>(parser: Parser<T>, about: string, more: More & WithDefault): Setting<T> & WithDefault;
function setting<T>(parser: Parser<T>, about: string, more?: More): Setting<T>;
function setting<T>(parser: Parser<T>, about: string, more: More = {}): Setting<T> {
  return { ...parser, names: [], isSecret: false, about, ...more };
}

const modelPatterns = listOf(text("a model name or a pattern such as gpt-*", /^\S{1,256}$/));
const modelName = text("a model name", /^\S{1,256}$/);
/** What fits into a header. */
export const keyForm = /^[\x21-\x7e]{1,1024}$/;
const key = text("a key of visible ASCII characters", keyForm);

export const builtInNames = ["ai-service", "openai", "anthropic"] as const;
export type BuiltInName = (typeof builtInNames)[number];

const port = { ...whole("", 1, 65_535), expected: "a port from 1 to 65535" };

const providerList: Parser<readonly BuiltInName[]> = {
  ...listOf(oneOf(...builtInNames)),
  expected:
    "names out of ai-service, openai, anthropic; or a list of tables with name, type, baseUrl and, if needed, apiKey, model, models, embeddingModels, contextTokens, protocol (in TOML, or as JSON text)",
};

/** Read by prices.ts, since it is structured. */
const priceList: Parser<readonly ModelPrice[]> = {
  expected:
    'a table of {input, output, cachedInput if needed, currency} by model or pattern (in TOML, or as JSON text such as {"gpt-4o*": {"input": 2.5, "output": 10, "cachedInput": 1.25, "currency": "USD"}}); prices per million tokens with up to six decimals, currencies as three capital letters',
  parse: () => undefined,
};

interface ApiKey {
  readonly tenant: string;
  /** SHA-256 of the key, 64 lowercase hexadecimal digits. */
  readonly sha256Hex: string;
}

const policyList: Parser<readonly PolicyEntry[]> = {
  expected:
    "a list of tables with tenant and, if needed, role, models, requestsPerMinute, concurrent, tokensPerDay, costPerMonth (in TOML, or as JSON text)",
  // What is more than nothing is read by policies.ts.
  parse: (list) => (list === "" ? [] : undefined),
};

const apiKey: Parser<ApiKey> = {
  expected: "tenant:sha256hex, the SHA-256 of the key as 64 hexadecimal digits",
  parse: (entry) => {
    const [, tenant, hex] = /^([A-Za-z0-9._-]{1,64}):([0-9a-fA-F]{64})$/.exec(entry) ?? [];
    return tenant && hex ? { tenant, sha256Hex: hex.toLowerCase() } : undefined;
  },
};

interface AdminKey {
  readonly name: string;
  readonly sha256Hex: string;
}

const adminKey: Parser<AdminKey> = {
  expected: "name:sha256hex, the SHA-256 of the key as 64 hexadecimal digits",
  parse: (entry) => {
    const parsed = apiKey.parse(entry);
    return parsed && { name: parsed.tenant, sha256Hex: parsed.sha256Hex };
  },
};

const tenantName = text("a tenant's name: up to 64 letters, digits, dots, hyphens and underscores", tenantForm);
const claimText = text("a text without white space", /^\S{1,512}$/);

/** Every setting by its config path. */
export const settings = {
  environment: setting(
    text("a name such as staging", /^[a-z][a-z0-9-]{0,62}$/),
    "Where this runs. Only `development` may use http upstreams and, for callers on this machine, be without keys.",
    { names: ["ENVIRONMENT"], default: "development" },
  ),

  "ai.python_service.url": setting(baseUrl(), "Address of the AI service.", {
    names: ["PYTHON_AI_SERVICE_URL"],
    unset: "from host and port: `http` in development, else `https`",
  }),
  "ai.python_service.host": setting(
    text("a host name", /^[A-Za-z0-9._-]{1,253}$|^\[[0-9A-Fa-f:.]{2,45}\]$/),
    "Host of the AI service.",
    { names: ["PYTHON_AI_HOST", "QINGYU_AI_PYTHON_HOST"], default: "localhost" },
  ),
  "ai.python_service.grpc_port": setting(port, "RPC port of the AI service.", {
    names: ["PYTHON_AI_GRPC_PORT", "QINGYU_AI_PYTHON_GRPC_PORT"],
    default: "50052",
  }),
  "ai.python_service.protocol": setting(oneOf("connect", "grpc-web"), "Protocol of the AI service.", {
    names: ["PYTHON_AI_PROTOCOL"],
    default: "connect",
  }),
  "ai.python_service.token": setting(key, "Bearer token of the AI service.", {
    names: ["PYTHON_AI_TOKEN"],
    isSecret: true,
  }),
  "ai.allow_insecure_upstream": setting(yesOrNo(), "Allows http upstreams outside development (a private network).", {
    default: "false",
  }),

  "platform.url": setting(
    baseUrl(),
    "Address of the platform's back end, without `/api/v1`: chapters are read there by its internal API, before the knowledge base is asked.",
    { unset: "chapters are read from the knowledge base only" },
  ),
  "platform.service_key": setting(key, "What the platform's internal API takes as `X-AI-Service-Key`.", {
    isSecret: true,
  }),
  "platform.tenants": setting(
    listOf(tenantName),
    "Whose callers may have the platform's texts read: its internal API gives every document to who knows its id.",
    { unset: "every tenant" },
  ),

  "ai.api_key": setting(key, "OpenAI's API key; without it OpenAI is not asked.", {
    names: ["OPENAI_API_KEY"],
    isSecret: true,
  }),
  "ai.base_url": setting(baseUrl(), "OpenAI's address.", {
    names: ["OPENAI_BASE_URL"],
    default: "https://api.openai.com/v1",
  }),
  "ai.model": setting(
    modelName,
    "For callers who name no model (the AI service takes its own then), and for OpenAI where the caller's model is not one of OpenAI's.",
    { names: ["OPENAI_MODEL"], default: "gpt-4-turbo-preview" },
  ),
  "ai.models": setting(
    modelPatterns,
    "The model names that callers may use, and that `/v1/models` lists; any other is 404.",
    {
      unset: "every name is taken",
    },
  ),
  "ai.max_tokens": setting(whole("tokens", 1, 1_000_000), "Answer length where the caller gave none.", {
    unset: "2000 on the platform's routes and for the AI service; nothing is added to requests in OpenAI's form",
  }),
  "ai.temperature": setting(decimal(0, 2), "Temperature where the caller gave none.", {
    unset: "0.7 on the platform's routes and for the AI service; nothing is added to requests in OpenAI's form",
  }),
  "ai.embedding_model": setting(
    modelName,
    "Embeds for callers who name no model; also the one name that the AI service embeds for, unless its entry lists others.",
    {
      names: ["EMBEDDING_MODEL_NAME", "QINGYU_AI_PYTHON_SERVICE_EMBEDDING_MODEL"],
      default: "BAAI/bge-large-zh-v1.5",
    },
  ),
  "ai.any_embedding_model": setting(
    yesOrNo(),
    "Lets a provider that lacks the embedding model which was asked for answer by its own, whose vectors cannot be compared with the other's.",
    { default: "false" },
  ),
  "ai.anthropic.api_key": setting(key, "Anthropic's API key; without it Anthropic is not asked.", {
    names: ["ANTHROPIC_API_KEY"],
    isSecret: true,
  }),
  "ai.anthropic.base_url": setting(baseUrl(), "Anthropic's address.", {
    names: ["ANTHROPIC_BASE_URL"],
    default: "https://api.anthropic.com",
  }),
  "ai.anthropic.model": setting(modelName, "For Anthropic where the caller's model is not one of Anthropic's.", {
    names: ["ANTHROPIC_MODEL"],
    default: "claude-sonnet-4-6",
  }),
  "ai.creative_fallback": setting(
    yesOrNo(),
    "Lets a language model write outlines, characters, plots and stories where no AI service can.",
    { default: "true" },
  ),
  "ai.providers": setting(providerList, "Who is asked, in this order.", {
    names: ["AI_PROVIDERS"],
    unset: "those of `ai-service,openai,anthropic` that are configured",
  }),

  "deadlines.request_ms": setting(
    whole("milliseconds", 1, 3_600_000),
    "Time for a whole request, all attempts included.",
    { default: "120000" },
  ),
  "deadlines.plain_ms": setting(
    whole("milliseconds", 1, 3_600_000),
    "Time for a whole answer on the platform's paths: its clients leave after 65 s at most.",
    { default: "60000" },
  ),
  "deadlines.first_token_ms": setting(
    whole("milliseconds", 1, 3_600_000),
    "Time until a stream's first token, while another provider is left to ask.",
    {
      default: "10000",
    },
  ),
  "deadlines.idle_ms": setting(whole("milliseconds", 1, 3_600_000), "Time between two tokens of a stream.", {
    default: "15000",
  }),

  "runs.max_ms": setting(
    // A Durable Object's alarm has 15 minutes.
    whole("milliseconds", 0, 840_000),
    "How long minutes' work that was asked for with an `Idempotency-Key` may take in all, and goes on for when its caller leaves (a Durable Object); 0: it ends with its caller.",
    { default: "300000" },
  ),

  "hedge.after_ms": setting(
    whole("milliseconds", 0, 600_000),
    "When the first token is later than this, the next provider is asked too, for a whole answer on the platform's paths after 5000 at the latest; 0 is never.",
    { default: "0" },
  ),
  "hedge.max_percent": setting(whole("percent", 1, 100), "How many of all requests may ask two providers at once.", {
    default: "10",
  }),

  "cache.enabled": setting(yesOrNo(), "Keeps answers in KV.", { default: "true" }),
  "cache.ttl_seconds": setting(whole("seconds", 1, 31_536_000), "How long a kept answer is fresh.", {
    default: "3600",
  }),
  "cache.stale_seconds": setting(whole("seconds", 0, 31_536_000), "How much longer it is kept.", { default: "86400" }),
  "cache.knowledge_seconds": setting(
    whole("seconds", 0, 86_400),
    "How long answers of QueryKnowledge and GetContext are kept; 0 is not at all.",
    { default: "0" },
  ),
  "cache.read_timeout_ms": setting(whole("milliseconds", 1, 10_000), "A read that takes longer is a miss.", {
    default: "50",
  }),
  "cache.memory_bytes": setting(whole("bytes", 0, 67_108_864), "Memory for answers in each isolate; 0 is none.", {
    default: "4194304",
  }),
  "cache.coordinate": setting(
    yesOrNo(),
    "Lets one of all isolates ask where they want the same at the same time (a Durable Object).",
    { default: "false" },
  ),
  "cache.scope": setting(oneOf("tenant", "user"), "Who shares an answer; `user`: the caller's `user` joins the key.", {
    default: "tenant",
  }),
  "cache.key_secret": setting(secret("at least 32 bytes", 32), "Makes the cache's keys an HMAC.", {
    names: ["CACHE_KEY_SECRET"],
    isSecret: true,
  }),
  "cache.encryption_key": setting(secret("at least 32 bytes", 32), "Encrypts what is kept.", {
    names: ["CACHE_ENCRYPTION_KEY"],
    isSecret: true,
  }),

  "stream.heartbeat_ms": setting(
    whole("milliseconds", 0, 600_000),
    "Silence after which a stream sends a comment; 0 is never.",
    { default: "10000" },
  ),
  "stream.batch_ms": setting(
    whole("milliseconds", 0, 1000),
    "After a stream's first token, tokens wait until so long after the last write, so that they leave together; 0: 1 ms, in a burst up to 16.",
    { default: "0" },
  ),
  "stream.atomic_tenants": setting(
    listOf(text("a tenant's name, or * for all", /^([A-Za-z0-9._-]{1,64}|\*)$/)),
    "Whose streams are held back until they are complete, unless a caller says `x-qingyu-delivery: live`.",
    { default: "" },
  ),

  "auth.api_keys": setting(
    listOf(apiKey),
    "Who may call: `tenant:sha256hex` entries. Required but in development on this machine, and where tokens are taken.",
    {
      names: ["GATEWAY_API_KEYS"],
      default: "",
      isSecret: true,
    },
  ),
  "auth.admin_keys": setting(
    listOf(adminKey),
    "Who administers the gateway, managed keys above all: `name:sha256hex` entries. Such a key asks for no answers.",
    {
      names: ["GATEWAY_ADMIN_KEYS"],
      default: "",
      isSecret: true,
    },
  ),
  "auth.jwt.secret": setting(
    text("a text, outside development of at least 32 bytes"),
    "Takes tokens that are signed with it (HS256), as the platform's are.",
    { names: ["JWT_SECRET"], isSecret: true },
  ),
  "auth.jwt.jwks_url": setting(
    address(),
    "Takes tokens that are signed (RS256, ES256, EdDSA) with one of the keys published there.",
  ),
  "auth.jwt.issuer": setting(claimText, "The `iss` that tokens must have.", { default: "qingyu" }),
  "auth.jwt.audience": setting(claimText, "The `aud` that tokens must have.", { unset: "not looked at" }),
  "auth.jwt.tenant": setting(tenantName, "The tenant of all who call with tokens.", { default: "qingyu" }),
  "auth.jwt.tenant_claim": setting(claimText, "The claim that names a token's tenant; a token without it is refused.", {
    unset: "all tokens are of the one tenant",
  }),

  policies: setting(policyList, "What tenants, and the users of a role, may do and take (docs/limits.md).", {
    names: ["AI_POLICIES"],
    default: "",
    unset: "tokens by the day for users whose tokens let them in: 10000, with the role `vip` 100000, `admin` 999999",
  }),
  "limits.on_unreachable": setting(
    oneOf("refuse", "allow"),
    "What becomes of a request whose limits cannot be asked for within a second: 503, or let through.",
    { default: "refuse" },
  ),

  "limits.body_bytes": setting(
    whole("bytes", 1, 104_857_600),
    "Largest request body, unzipped and with its images (413).",
    {
      default: "4194304",
    },
  ),
  "limits.prompt_chars": setting(whole("code points", 1, 100_000_000), "Longest prompt, all messages together (413).", {
    default: "400000",
  }),
  "limits.max_tokens": setting(whole("tokens", 1, 1_000_000), "Longest answer that a caller may ask for (400).", {
    default: "131072",
  }),

  "usage.prices": setting(
    priceList,
    "What models cost, by name or pattern; what has no price is of unknown cost, never of none.",
    { names: ["AI_PRICES"], unset: "no cost is known" },
  ),
  "usage.kept_days": setting(whole("days", 1, 3_650), "How long the ledger keeps what was used.", { default: "90" }),

  "chats.kept_days": setting(
    whole("days", 1, 3_650),
    "How long a chat session is kept that nobody uses (a Durable Object for each user).",
    { default: "180" },
  ),

  "cors.allowed_origins": setting(listOf(origin()), "Origins that browsers may call from.", {
    names: ["CORS_ALLOWED_ORIGINS"],
    default: "",
  }),
} as const;

export type SettingPath = keyof typeof settings;
export const settingPaths = Object.keys(settings).filter((path): path is SettingPath => path in settings);

/** What becomes of each setting's text; undefined too where the setting may be unset. */
export type SettingValues = { readonly [Path in SettingPath]: ValueOf<(typeof settings)[Path]> };
type ValueOf<S> = S extends Setting<infer T> ? (S extends WithDefault ? T : T | undefined) : never;

/** All environment names of a setting, the strongest first. */
export function namesOf(path: SettingPath): string[] {
  return [`QINGYU_${path.toUpperCase().replaceAll(".", "_")}`, ...settings[path].names];
}
