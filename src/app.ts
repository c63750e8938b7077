import { Hono } from "hono";
import { cors } from "hono/cors";
import type { UnusableConfig, UsableConfig } from "./config/config.ts";
import { GatewayError } from "./errors.ts";
import { answerError } from "./http/answer-error.ts";
import { authenticate } from "./http/auth.ts";
import { connectFace } from "./http/connect.ts";
import type { Walk } from "./http/context.ts";
import { corsOptions } from "./http/cors.ts";
import { docsFace } from "./http/docs.ts";
import { healthFace, healthFrom, unconfiguredHealthFace } from "./http/health.ts";
import { observe } from "./http/observe.ts";
import { openAiFace } from "./http/openai.ts";
import { qingyuFace } from "./http/qingyu.ts";
import { cacheFace } from "./http/qingyu-cache.ts";
import { requireLength } from "./http/validate.ts";
import type { Gateway } from "./upstream.ts";

/** What the app answers from: its settings and, where they are right, the gateway built from them. */
export type AppDependencies =
  | { readonly settings: UsableConfig; readonly gateway: Gateway }
  | { readonly settings: UnusableConfig; readonly gateway?: undefined };

/** The HTTP application: the middleware in the order in which a request walks through them, then the faces. */
export function createApp({ settings, gateway }: AppDependencies): Hono<Walk> {
  const app = new Hono<Walk>();
  app.onError(answerError);
  app.use(observe());
  app.route("/", docsFace());
  if (!gateway) {
    app.route("/", unconfiguredHealthFace(settings));
    app.all("*", () => {
      throw new GatewayError("config_error", "The gateway is not configured; /health/ready says what is wrong.");
    });
    return app;
  }

  const { config } = settings;
  const health = async () => healthFrom(await gateway.readiness());
  app.route("/", healthFace(settings, health));
  if (config.cors.allowedOrigins.length > 0) app.use(cors(corsOptions(config.cors.allowedOrigins)));
  app.use(async (c, next) => {
    requireLength(c.req.raw.headers, config.limits.bodyBytes);
    await next();
  });
  app.use(authenticate(config.auth.apiKeys));
  app.route("/v1", openAiFace(config, gateway.generate));
  app.route("/api/v1/ai", qingyuFace(config, gateway.generate));
  app.route("/api/v1/ai/cache", cacheFace(config, gateway.purge));
  app.route("/qingyu.ai.AIService", connectFace(config, gateway.generate, health));
  app.notFound(() => {
    throw new GatewayError("not_found", "There is nothing at this path.");
  });
  return app;
}
