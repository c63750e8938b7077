import { type Context, Hono } from "hono";
import type { Config } from "../../config/config.ts";
import { modelNotFound } from "../../errors.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { isAllowed, requireModel } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import type { Model, ModelList } from "./answers.ts";

/**
 * OpenAI's list of models (https://platform.openai.com/docs/api-reference/models): those that the providers have, within the
 * setting ai.models and the caller's policy. Any other that the setting allows is taken too, unless every provider has said which it has.
 */
export function modelRoutes({ ai }: Config, { models, mayUse }: Pick<Gateway, "models" | "mayUse">): Hono<Walk> {
  const routes = new Hono<Walk>();

  /** Those that a provider may be asked for; names in ai.models are somebody's where nobody says otherwise. */
  async function listed(c: Context<Walk>) {
    const { names, isComplete } = await models(c.get("hops"));
    const named = isComplete ? [] : (ai.models ?? []).filter((name) => !name.includes("*"));
    const isHis = (name: string) => isAllowed(name, ai.models) && mayUse(c.get("caller"), name);
    return { names: [...new Set([...names, ...named])].filter(isHis), isComplete };
  }

  routes.get("/", async (c) => {
    const { names } = await listed(c);
    return c.json({ object: "list", data: names.map(modelObject) } satisfies ModelList);
  });
  routes.all("/", allowOnly("GET"));

  routes.get("/:id{.+}", async (c) => {
    const id = c.req.param("id");
    requireModel(id, ai.models);
    if (!mayUse(c.get("caller"), id)) throw modelNotFound("model");
    const { names, isComplete } = await listed(c);
    if (isComplete && !names.includes(id)) throw modelNotFound("model");
    return c.json(modelObject(id));
  });
  routes.all("/:id{.+}", allowOnly("GET"));
  return routes;
}

/** `created` is not known of anybody's model; the field is required by OpenAI's clients. */
export function modelObject(id: string): Model {
  return { id, object: "model", created: 0, owned_by: "qingyu-ai-gateway" };
}
