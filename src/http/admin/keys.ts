import { type Context, Hono } from "hono";
import type { Config } from "../../config/config.ts";
import { GatewayError } from "../../errors.ts";
import type { KeyAdministration } from "../../managed-key.ts";
import type { Walk } from "../call.ts";
import { requireValid } from "../invalid.ts";
import { readJson } from "../json-body.ts";
import { jsonResponse } from "../json-response.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { meantTenant, requireAdministers } from "./administrator.ts";
import { keyAnswer, keyList, newKeyAnswer } from "./answers.ts";
import { listKeysQuery, makeKeyRequest, rotateKeyRequest } from "./keys-request.ts";

/** The routes by which administrators make, list, rotate and revoke managed keys. */
export function keyRoutes(config: Config, keys: KeyAdministration): Hono<Walk> {
  const routes = new Hono<Walk>();

  /** As JSON that nobody keeps: it may have a key in it. */
  function answer(c: Context<Walk>, value: object): Response {
    const record = c.get("record");
    return jsonResponse(value, record, record.startedAtMs + 2 * config.deadlines.requestMs);
  }

  /** The key that a path names, where it is its caller's to administer. An id that names no tenant is nobody's. */
  function namedKey(c: Context<Walk>): string {
    const id = c.req.param("id") ?? "";
    const tenant = keys.tenantOf(id);
    if (tenant !== undefined) requireAdministers(c.get("caller"), tenant);
    c.get("record").administered = tenant === undefined ? undefined : id;
    return id;
  }

  routes.post("/", async (c) => {
    const caller = c.get("caller");
    const { name = "", ...wish } = await readJson(c.req.raw, makeKeyRequest, config, c.get("memory"));
    const tenant = meantTenant(caller, wish.tenant);
    // It would hold in the place of the limits that an operator has set for the tenant.
    if (wish.policy && !caller.isOperator)
      throw new GatewayError("permission_denied", "Only an operator may give a key a policy.", { param: "policy" });
    const made = await keys.make({ ...wish, tenant, name });
    c.get("record").administered = made.managed.id;
    return answer(c, newKeyAnswer(made));
  });
  routes.get("/", async (c) => {
    const { tenant } = requireValid(listKeysQuery, c.req.query());
    return answer(c, keyList(await keys.list(meantTenant(c.get("caller"), tenant))));
  });
  routes.all("/", allowOnly("GET", "POST"));

  routes.post("/:id/rotate", async (c) => {
    const id = namedKey(c);
    const { overlapSeconds } = await readJson(c.req.raw, rotateKeyRequest, config, c.get("memory"));
    return answer(c, newKeyAnswer(await keys.rotate(id, overlapSeconds)));
  });
  routes.all("/:id/rotate", allowOnly("POST"));

  routes.delete("/:id", async (c) => answer(c, keyAnswer(await keys.revoke(namedKey(c)))));
  routes.all("/:id", allowOnly("DELETE"));
  return routes;
}
