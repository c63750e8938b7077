import { Hono } from "hono";
import * as z from "zod/mini";
import { actsForTenant, type Caller } from "../../caller.ts";
import type { Config } from "../../config/config.ts";
import { GatewayError } from "../../errors.ts";
import type { Language } from "../../language.ts";
import type { Purge } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { requireValid } from "../invalid.ts";
import { readJson } from "../json-body.ts";
import { languageOf } from "../language.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { chatCompletionRequest, fromChatCompletionRequest } from "../openai/chat-completions-request.ts";
import { completionRequest, fromCompletionRequest } from "../openai/completions-request.ts";
import { embeddingsRequest, fromEmbeddingsRequest } from "../openai/embeddings-request.ts";
import type { Purged } from "./answers.ts";
import { inEnvelope } from "./form.ts";
import { fromGenerateRequest, generateRequest } from "./generate-request.ts";

/** The routes by which a tenant has its cached answers forgotten. */
export function cacheRoutes(config: Config, purge: Purge): Hono<Walk> {
  const routes = new Hono<Walk>();

  routes.delete("/", async (c) => {
    const caller = c.get("caller");
    if (!actsForTenant(caller))
      throw new GatewayError(
        "permission_denied",
        "Only a key, or a user with the role 'admin', may forget all answers.",
      );
    await purge.all(caller.tenant);
    return c.json(purged("all", languageOf(c.req.raw.headers), c.get("record").requestId));
  });
  routes.all("/", allowOnly("DELETE"));

  routes.post("/purge", async (c) => {
    const body = await readJson(c.req.raw, z.looseObject({}), config, c.get("memory"));
    await purgeOne(purge, c.get("caller"), body);
    return c.json(purged("one", languageOf(c.req.raw.headers), c.get("record").requestId));
  });
  routes.all("/purge", allowOnly("POST"));
  return routes;
}

/** Says what was forgotten. */
export function purged(what: Purged["data"]["purged"], language: Language, requestId: string): Purged {
  return inEnvelope({ purged: what }, language, requestId, "done");
}

/** The members by which a request to this surface is known. */
const ownNames = ["projectId", "currentText"];

/** Forgets the answer to a request as it was sent to this surface or, where it has none of its members, to the OpenAI-compatible one. */
async function purgeOne(purge: Purge, caller: Caller, body: Record<string, unknown>): Promise<void> {
  if (ownNames.some((name) => name in body)) {
    await purge.generate(caller, fromGenerateRequest(requireValid(generateRequest, body)));
  } else if ("input" in body) {
    await purge.embed(caller, fromEmbeddingsRequest(requireValid(embeddingsRequest, body)).request);
  } else if ("prompt" in body) {
    await purge.generate(caller, fromCompletionRequest(requireValid(completionRequest, body)).request);
  } else {
    await purge.generate(caller, fromChatCompletionRequest(requireValid(chatCompletionRequest, body)).request);
  }
}
