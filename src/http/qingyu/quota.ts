import { type Context, Hono } from "hono";
import type { Caller } from "../../caller.ts";
import type { Config } from "../../config/config.ts";
import { GatewayError } from "../../errors.ts";
import type { Page } from "../../page.ts";
import type { Owner } from "../../reports.ts";
import type { Gateway } from "../../upstream.ts";
import type { Walk } from "../call.ts";
import { requireValid } from "../invalid.ts";
import { readJson } from "../json-body.ts";
import { languageOf } from "../language.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { inEnvelope, type Said } from "./form.ts";
import { pageOf } from "./page.ts";
import { type QuotaOwner, quotaAnswer, statisticsAnswer, transactionAnswer } from "./quota-answers.ts";
import { quotaRequest, transactionsQuery } from "./requests.ts";

type Counting = Pick<Gateway, "quotas" | "reports">;

/** What a caller has used and may still use. Nothing of it costs anything. */
export function quotaRoutes({ quotas, reports }: Counting): Hono<Walk> {
  const routes = new Hono<Walk>();
  const get = (path: string, answer: (c: Context<Walk>) => Promise<unknown>) => {
    routes.get(path, async (c) => said(c, await answer(c), "found"));
    routes.all(path, allowOnly("GET"));
  };
  const own = async (c: Context<Walk>) =>
    quotaAnswer(quotaOwner(c.get("caller")), await quotas.of(c.get("caller")), Date.now());
  get("/", own);
  get("/all", async (c) => [await own(c)]);
  get("/statistics", async (c) => {
    const caller = c.get("caller");
    const [quota, statistics] = await Promise.all([quotas.of(caller), reports.statistics(ownerOf(caller))]);
    return statisticsAnswer(quotaOwner(caller), quota, statistics);
  });
  get("/transactions", async (c) => {
    const caller = c.get("caller");
    const page = askedPage(c);
    const quota = await quotas.of(caller);
    const transactions = await reports.transactions(ownerOf(caller), page, quota?.type ?? "daily");
    return transactions.map((transaction) => transactionAnswer(quotaOwner(caller), quota, transaction));
  });
  return routes;
}

/** What a tenant's administrators do with its users' quotas. */
export function quotaAdministration(config: Config, { quotas }: Counting): Hono<Walk> {
  const routes = new Hono<Walk>();
  /** The user whom a path names, of the administrator's own tenant. */
  const named = (c: Context<Walk>) => {
    const caller = c.get("caller");
    requireAdmin(caller);
    return { tenant: caller.tenant, userId: c.req.param("userId") ?? "" };
  };
  routes.get("/:userId", async (c) => {
    const { tenant, userId } = named(c);
    const quota = await quotas.ofUser(tenant, userId);
    return said(c, quotaAnswer({ userId }, quota, Date.now()), "found");
  });
  routes.put("/:userId", async (c) => {
    const { tenant, userId } = named(c);
    const { totalQuota, quotaType } = await readJson(c.req.raw, quotaRequest, config, c.get("memory"));
    const quota = await quotas.setTotal(tenant, userId, totalQuota, quotaType);
    return said(c, quotaAnswer({ userId }, quota, Date.now()), "done");
  });
  routes.all("/:userId", allowOnly("GET", "PUT"));
  for (const change of ["suspend", "activate"] as const) {
    routes.post(`/:userId/${change}`, async (c) => {
      const { tenant, userId } = named(c);
      await quotas[change](tenant, userId);
      return said(c, null, "done");
    });
    routes.all(`/:userId/${change}`, allowOnly("POST"));
  }
  return routes;
}

function said(c: Context<Walk>, data: unknown, words: Said): Response {
  return c.json(inEnvelope(data, languageOf(c.req.raw.headers), c.get("record").requestId, words));
}

function requireAdmin({ user, roles }: Caller): void {
  if (user !== undefined && roles.includes("admin")) return;
  throw new GatewayError("permission_denied", "This takes a token of this tenant with the role 'admin'.");
}

const quotaOwner = ({ tenant, user = tenant, roles }: Caller): QuotaOwner => ({ userId: user, roles });
const ownerOf = ({ tenant, user = "" }: Caller): Owner => ({ tenant, user });

function askedPage(c: Context<Walk>): Page {
  const { limit, pageSize, page, offset } = requireValid(transactionsQuery, c.req.query());
  const asked = pageOf({ limit: pageSize ?? limit, offset }, 20);
  return page === undefined ? asked : { ...asked, offset: (page - 1) * asked.limit };
}
