import { Hono } from "hono";
import type { Caller } from "../../caller.ts";
import type { Config } from "../../config/config.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { languageOf } from "../language.ts";
import { isAllowed } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import type { ModelAnswer, ProviderAnswer } from "./answers.ts";
import { inEnvelope } from "./form.ts";

/** What people call the providers that settings name by a word. */
const displayNames = new Map([
  ["ai-service", "青羽 AI"],
  ["openai", "OpenAI"],
  ["anthropic", "Anthropic"],
]);

/** `GET /api/v1/ai/providers` and `/models`: who can be asked, and for what, as far as the settings and the providers tell. */
export function catalogueRoutes(
  { ai }: Config,
  { models, readiness, mayUse }: Pick<Gateway, "models" | "readiness" | "mayUse">,
): Hono<Walk> {
  const routes = new Hono<Walk>();
  const isFor = (caller: Caller) => (model: string) => isAllowed(model, ai.models) && mayUse(caller, model);

  routes.get("/providers", async (c) => {
    const hops = c.get("hops");
    const [{ byProvider }, health] = await Promise.all([models(hops), readiness(hops)]);
    const data = [...byProvider].map(
      ([name, names]): ProviderAnswer => ({
        name,
        displayName: displayNames.get(name) ?? name,
        status: health.get(name)?.status === "unhealthy" ? "inactive" : "active",
        models: names.filter(isFor(c.get("caller"))),
      }),
    );
    return c.json(inEnvelope(data, languageOf(c.req.raw.headers), c.get("record").requestId, "found"));
  });
  routes.all("/providers", allowOnly("GET"));

  routes.get("/models", async (c) => {
    const { byProvider } = await models(c.get("hops"));
    const asked = c.req.query("provider");
    const contextTokens = new Map(ai.providers.map((provider) => [provider.name, provider.contextTokens]));
    const data = [...byProvider].flatMap(([provider, names]) => {
      if (asked && asked !== provider) return [];
      const maxTokens = contextTokens.get(provider) ?? null;
      return names
        .filter(isFor(c.get("caller")))
        .map((model): ModelAnswer => ({ id: model, name: model, provider, maxTokens, costPer1k: null }));
    });
    return c.json(inEnvelope(data, languageOf(c.req.raw.headers), c.get("record").requestId, "found"));
  });
  routes.all("/models", allowOnly("GET"));
  return routes;
}
