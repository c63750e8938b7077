import { type Context, Hono } from "hono";
import type { UnusableConfig, UsableConfig } from "../../config/config.ts";
import type { Language } from "../../language.ts";
import type { HealthStatus, Hops, ProviderHealth, Readiness } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { qingyuSuccess } from "../envelopes.ts";
import { languageOf } from "../language.ts";
import { allowOnly } from "../method-not-allowed.ts";
import type { AiHealth, CreativeHealth, Live, PlatformHealth, Ready } from "./describe.ts";

export interface Health {
  readonly status: HealthStatus;
  /** The providers, by name. */
  readonly dependencies: Readonly<Record<string, ProviderHealth>>;
  /** The same in a word each, as the contract's HealthCheck has it. */
  readonly checks: Readonly<Record<string, HealthStatus>>;
}

/** How the gateway is, judged by its providers: one that can serve is enough to serve. */
export function healthFrom(readiness: Readiness): Health {
  const states = [...readiness.values()].map(({ status }) => status);
  const canServe = states.some((status) => status !== "unhealthy");
  const allWell = states.every((status) => status === "healthy");
  return {
    status: allWell ? "healthy" : canServe ? "degraded" : "unhealthy",
    dependencies: Object.fromEntries(readiness),
    checks: Object.fromEntries([...readiness].map(([name, { status }]) => [name, status])),
  };
}

/** What people are told of it. */
const words: Readonly<Record<HealthStatus, Readonly<Record<Language, string>>>> = {
  healthy: { zh: "服务正常", en: "The service is well" },
  degraded: { zh: "部分服务不可用", en: "A part of the service is not available" },
  unhealthy: { zh: "服务不可用", en: "The service is not available" },
};

const readyWords = { healthy: "ready", degraded: "degraded", unhealthy: "unready" } as const;

/** The health routes, open to everyone: names and states, never values. */
export function healthRoutes({ config, warnings }: UsableConfig, health: (hops: Hops) => Promise<Health>): Hono<Walk> {
  const auth = authOf(config.auth);
  return routesFor({
    async ready(c) {
      const { status, dependencies } = await health(c.get("hops"));
      const body: Ready = { status: readyWords[status], auth, dependencies, warnings: [...warnings] };
      return c.json(body, statusOf(status));
    },
    async platform(c) {
      const { status, dependencies } = await health(c.get("hops"));
      return c.json(platformBody(status, dependencies), statusOf(status));
    },
    async creative(c) {
      const { status, checks } = await health(c.get("hops"));
      return c.json({ status, checks } satisfies CreativeHealth, statusOf(status));
    },
    async ai(c) {
      const { status } = await health(c.get("hops"));
      return c.json(aiBody(status, c), statusOf(status));
    },
  });
}

/** What callers must bring, keys before tokens where they may bring either. */
function authOf({ apiKeys, adminKeys, jwt }: UsableConfig["config"]["auth"]): Ready["auth"] {
  if (apiKeys.length > 0 || adminKeys.length > 0) return "api-key";
  return jwt.secret === undefined && jwt.jwksUrl === undefined ? "open" : "jwt";
}

/** The same routes where the settings are wrong: they say what is wrong. */
export function unconfiguredHealthRoutes({ problems, warnings }: UnusableConfig): Hono<Walk> {
  const unready: Ready = { status: "unready", problems: [...problems], warnings: [...warnings] };
  return routesFor({
    ready: async (c) => c.json(unready, 503),
    platform: async (c) => c.json(platformBody("unhealthy", {}), 503),
    creative: async (c) => c.json({ status: "unhealthy", checks: {} } satisfies CreativeHealth, 503),
    ai: async (c) => c.json(aiBody("unhealthy", c), 503),
  });
}

type Handler = (c: Context<Walk>) => Promise<Response>;

function routesFor({
  ready,
  platform,
  creative,
  ai,
}: Record<"ready" | "platform" | "creative" | "ai", Handler>): Hono<Walk> {
  const routes = new Hono<Walk>();
  const answers: Record<string, Handler> = {
    "/health/live": async (c) => c.json({ status: "alive" } satisfies Live),
    "/health/ready": ready,
    "/api/v1/health": platform,
    "/api/v1/creative/health": creative,
    "/api/v1/ai/health": ai,
  };
  for (const [path, answer] of Object.entries(answers)) {
    routes.get(path, answer);
    routes.all(path, allowOnly("GET"));
  }
  return routes;
}

function platformBody(status: HealthStatus, dependencies: Health["dependencies"]): PlatformHealth {
  return { status, service: "qingyu-ai-gateway", timestamp: new Date().toISOString(), dependencies };
}

function aiBody(status: HealthStatus, c: Context<Walk>): AiHealth {
  const timestamp = Math.floor(Date.now() / 1000);
  const message = words[status][languageOf(c.req.raw.headers)];
  return qingyuSuccess({ status, timestamp, service: "ai" as const }, c.get("record").requestId, message);
}

function statusOf(status: HealthStatus): 200 | 503 {
  return status === "unhealthy" ? 503 : 200;
}
