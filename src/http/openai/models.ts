import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Walk } from "../call.ts";
import { isAllowed, requireModel } from "../limits.ts";
import { allowOnly } from "../method-not-allowed.ts";
import type { Model, ModelList } from "./answers.ts";

/** OpenAI's list of models (https://platform.openai.com/docs/api-reference/models). */
export function modelRoutes(config: Config): Hono<Walk> {
  const routes = new Hono<Walk>();
  const models = listedModels(config).map(modelObject);

  routes.get("/", (c) => c.json({ object: "list", data: models } satisfies ModelList));
  routes.all("/", allowOnly("GET"));

  routes.get("/:id{.+}", (c) => {
    const id = c.req.param("id");
    requireModel(id, config.ai.models);
    return c.json(modelObject(id));
  });
  routes.all("/:id{.+}", allowOnly("GET"));
  return routes;
}

/** The names that the settings spell out and allow. Patterns stand for names that only the providers know. */
function listedModels({ ai }: Config): string[] {
  const named = [
    ai.model,
    ...(ai.models ?? []),
    ...ai.providers.flatMap(({ model, models = [], embeddingModels = [] }) => [model, ...models, ...embeddingModels]),
  ];
  const names = named.filter((name) => name !== undefined && !name.includes("*") && isAllowed(name, ai.models));
  return [...new Set(names)].filter((name): name is string => name !== undefined);
}

/** `created` is not known of anybody's model; the field is required by OpenAI's clients. */
export function modelObject(id: string): Model {
  return { id, object: "model", created: 0, owned_by: "qingyu-ai-gateway" };
}
