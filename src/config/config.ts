/** The gateway's settings after all layers were read: validated, with units in names, secrets included. */
export interface Config {
  /** `development` opens the gateway without keys and allows http upstreams; anything else does not. */
  readonly environment: string;
  readonly ai: {
    /** For callers who name no model. */
    readonly model: string;
    /** Patterns (`gpt-*`) of the model names that callers may use; unset: every name. */
    readonly models?: readonly string[];
    readonly maxTokens: number;
    readonly temperature: number;
    readonly embeddingModel: string;
    /** In the order in which they are asked; at least one. */
    readonly providers: readonly ProviderConfig[];
  };
  readonly deadlines: { readonly requestMs: number; readonly firstTokenMs: number; readonly idleMs: number };
  readonly cache: {
    readonly enabled: boolean;
    readonly ttlSeconds: number;
    readonly staleSeconds: number;
    readonly readTimeoutMs: number;
    /** Of the memory before KV, in each isolate; 0 for none. */
    readonly memoryBytes: number;
    /** Whether a Durable Object lets one isolate ask for all. */
    readonly isCoordinated: boolean;
    readonly scope: "tenant" | "user";
    readonly keySecret?: string;
    readonly encryptionKey?: string;
  };
  readonly hedge: {
    /** 0 turns hedging off. */
    readonly afterMs: number;
    /** Of all requests, at most. */
    readonly maxPercent: number;
  };
  readonly stream: {
    /** 0 turns heartbeats off. */
    readonly heartbeatMs: number;
    /** Tenants whose streams are held back until they are complete; `*` stands for all. */
    readonly atomicTenants: readonly string[];
  };
  readonly auth: { readonly apiKeys: readonly ApiKey[] };
  readonly limits: { readonly bodyBytes: number; readonly promptChars: number; readonly maxTokens: number };
  /** Origins that browsers may call from; none by default. */
  readonly cors: { readonly allowedOrigins: readonly string[] };
}

export interface ProviderConfig {
  readonly name: string;
  readonly type: "ai-service" | "openai" | "anthropic";
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Bearer token (AI service, OpenAI) or `x-api-key` (Anthropic). */
  readonly apiKey?: string;
  /** Replaces the names that this provider does not take. */
  readonly model?: string;
  /** Patterns of the model names that this provider takes as they are; unset: none where `model` is set, else all. */
  readonly models?: readonly string[];
  /** How much its model takes, in tokens; unset: not known. */
  readonly contextTokens?: number;
  /** AI service only. */
  readonly protocol?: "connect" | "grpc-web";
}

export interface ApiKey {
  readonly tenant: string;
  /** SHA-256 of the key, 64 lowercase hexadecimal digits. */
  readonly sha256Hex: string;
}

/** Something wrong or suspicious in the settings. Names only, never values. */
export interface ConfigProblem {
  /** The setting's names, the one that was read first. */
  readonly setting: string;
  readonly reason: string;
  /** What a correct value looks like. */
  readonly expected: string;
}

/** Warnings never keep a config from being used; each names a setting, never a value. */
export interface UsableConfig {
  readonly config: Config;
  readonly problems?: undefined;
  readonly warnings: readonly string[];
}

export interface UnusableConfig {
  readonly config?: undefined;
  readonly problems: readonly [ConfigProblem, ...ConfigProblem[]];
  readonly warnings: readonly string[];
}

export type ConfigResult = UsableConfig | UnusableConfig;
