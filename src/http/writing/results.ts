import { type Context, Hono } from "hono";
import * as z from "zod/mini";
import { GatewayError } from "../../errors.ts";
import type { FoundResult, Results } from "../../kept-results.ts";
import type { Walk } from "../call.ts";
import { languageOf } from "../language.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { inEnvelope } from "../qingyu/form.ts";
import type { Kind } from "./keep.ts";
import { KeptCheck, SuggestionAnswer } from "./kept-checks.ts";

/** What is found again by its id. Nothing of it costs anything. */
export function resultRoutes(results: Pick<Results, "find">): Hono<Walk> {
  const routes = new Hono<Walk>();
  const get = (path: string, read: (found: FoundResult, id: string) => object | undefined) => {
    routes.get(`${path}/:id`, async (c) => {
      const data = await foundBy(c, read);
      return c.json(inEnvelope(data, languageOf(c.req.raw.headers), c.get("record").requestId, "found"));
    });
    routes.all(`${path}/:id`, allowOnly("GET"));
  };
  const foundBy = async (c: Context<Walk>, read: (found: FoundResult, id: string) => object | undefined) => {
    const id = c.req.param("id")?.toLowerCase() ?? "";
    const found = uuid.test(id) ? await results.find(c.get("caller"), id, c.get("memory")) : undefined;
    const data = found && read(found, id);
    if (!data) throw resultNotFound();
    return data;
  };
  get("/ai/writing/suggestions", ({ value }, id) => {
    const kept = keptProofread.safeParse(value).data;
    return kept?.suggestions.find(({ issueId }) => issueId === id);
  });
  get("/ai/audit/sensitive-words", ({ value, createdAtMs, expiresAtMs }) => {
    const kept = keptCheck.safeParse(value).data;
    if (!kept) return undefined;
    const { kind: _, ...check } = kept;
    const [createdAt, expiresAt] = [createdAtMs, expiresAtMs].map((ms) => new Date(ms).toISOString());
    return { ...check, createdAt, expiresAt };
  });
  return routes;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const kind = <K extends Kind>(name: K) => ({ kind: z.literal(name) });
const keptProofread = z.object({ ...kind("proofread"), suggestions: z.array(SuggestionAnswer) });
const keptCheck = z.extend(KeptCheck, kind("sensitive-words"));

/** Also for what is somebody else's, or was kept too long ago. */
function resultNotFound(): GatewayError {
  return new GatewayError("not_found", "There is no result with this id, or none of yours, or it has expired.", {
    code: "result_not_found",
    param: "id",
  });
}
