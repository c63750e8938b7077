import { Hono } from "hono";
import { cors } from "hono/cors";
import type { UnusableConfig, UsableConfig } from "./config/config.ts";
import { GatewayError } from "./errors.ts";
import { adminRoutes } from "./http/admin/routes.ts";
import { adminSurface } from "./http/admin/surface.ts";
import { authenticate, refuseOperators } from "./http/auth.ts";
import type { Walk } from "./http/call.ts";
import { chatRoutes } from "./http/chats/routes.ts";
import { connectRoutes } from "./http/connect/routes.ts";
import { connectSurface } from "./http/connect/surface.ts";
import { corsOptions } from "./http/cors.ts";
import { docsRoutes } from "./http/docs/routes.ts";
import { errorHandler } from "./http/error-response.ts";
import { healthFrom, healthRoutes, unconfiguredHealthRoutes } from "./http/health/health.ts";
import { holdMemory } from "./http/hold-memory.ts";
import { noteHops, refuseLoops } from "./http/hops.ts";
import { requireHost } from "./http/host.ts";
import { isFromElsewhere } from "./http/loopback.ts";
import { observe } from "./http/observe.ts";
import { openAiRoutes } from "./http/openai/routes.ts";
import { openAiSurface } from "./http/openai/surface.ts";
import { tidyPath, unknownPath } from "./http/path.ts";
import { qingyuRoutes } from "./http/qingyu/routes.ts";
import { qingyuSurface } from "./http/qingyu/surface.ts";
import { variesByLanguage } from "./http/qingyu/varies-by-language.ts";
import { requireLength } from "./http/request-body.ts";
import { writingRoutes } from "./http/writing/routes.ts";
import { createInFlight, inFlightLimits } from "./in-flight.ts";
import type { Gateway, Hops } from "./upstream.ts";

/** What the app answers from: its settings and, where they are right, the gateway built from them. */
export type AppDependencies =
  | { readonly settings: UsableConfig; readonly gateway: Gateway }
  | { readonly settings: UnusableConfig; readonly gateway?: undefined };

/** The HTTP application: the middleware in the order in which a request walks through them, then the surfaces. */
export function createApp({ settings, gateway }: AppDependencies): Hono<Walk> {
  const app = new Hono<Walk>({ getPath: tidyPath });
  if (settings.problemElsewhere) {
    const { problemElsewhere, warnings } = settings;
    const closed = createApp({ settings: { problems: [problemElsewhere], warnings } });
    app.use(async (c, next) => {
      if (isFromElsewhere(c.req.raw)) return await closed.fetch(c.req.raw, c.env, c.executionCtx);
      return await next();
    });
  }
  app.onError(errorHandler([connectSurface, qingyuSurface, adminSurface, openAiSurface], openAiSurface));
  app.use(observe());
  app.use(`${qingyuSurface.prefix}*`, variesByLanguage());
  app.use(requireHost);
  app.route("/", docsRoutes());
  if (!gateway) {
    app.route("/", unconfiguredHealthRoutes(settings));
    const [{ setting, reason }] = settings.problems;
    app.all("*", () => {
      throw new GatewayError("config_error", "The setting {setting} {reason}; /health/ready says all that is wrong.", {
        values: { setting, reason },
      });
    });
    return app;
  }

  const { config } = settings;
  const health = async (hops: Hops) => healthFrom(await gateway.readiness(hops));
  if (config.cors.allowedOrigins.length > 0) app.use(cors(corsOptions(config.cors.allowedOrigins)));
  app.use(noteHops(config));
  app.route("/", healthRoutes(settings, health));
  app.use(refuseLoops);
  app.use((c, next) => {
    requireLength(c.req.raw.headers, config.limits.bodyBytes);
    return next();
  });
  app.use(authenticate(gateway.identify));
  app.use(holdMemory(createInFlight(inFlightLimits), config));
  app.route("/admin", adminRoutes(config, gateway));
  app.use(refuseOperators);
  app.route("/v1", openAiRoutes(config, gateway));
  app.route("/api/v1", qingyuRoutes(config, gateway));
  app.route("/api/v1", writingRoutes(config, gateway));
  app.route("/api/v1/ai/chat", chatRoutes(config, gateway));
  app.route("/qingyu.ai.AIService", connectRoutes(config, gateway, health));
  app.notFound(() => {
    throw unknownPath();
  });
  return app;
}
