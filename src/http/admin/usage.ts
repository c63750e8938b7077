import { Hono } from "hono";
import type { Config } from "../../config/config.ts";
import type { Reports } from "../../reports.ts";
import { answerHeaders } from "../answer-headers.ts";
import type { Walk } from "../call.ts";
import { jsonResponse } from "../json-response.ts";
import { allowOnly } from "../method-not-allowed.ts";
import { meantTenant } from "./administrator.ts";
import { usageCsv, usageReport } from "./usage-answers.ts";
import { askedUsage } from "./usage-request.ts";

/** What was used, as JSON or, where `Accept` says so, as CSV. */
export function usageRoutes(config: Config, reports: Reports): Hono<Walk> {
  const routes = new Hono<Walk>();
  routes.get("/", async (c) => {
    const [caller, record] = [c.get("caller"), c.get("record")];
    const asked = askedUsage(c.req.query(), Date.now());
    const isOfAll = caller.isOperator && asked.tenant === undefined;
    const tenant = isOfAll ? undefined : meantTenant(caller, asked.tenant);
    const groups = await reports.usage({ ...asked, tenant });
    if (!/\btext\/csv\b/i.test(c.req.header("accept") ?? "")) {
      const endsMs = record.startedAtMs + 2 * config.deadlines.requestMs;
      return jsonResponse(usageReport(asked.from, asked.to, groups), record, endsMs);
    }
    return c.body(usageCsv(asked.groups, groups), 200, {
      ...answerHeaders(record, Date.now()),
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="usage.csv"',
    });
  });
  routes.all("/", allowOnly("GET"));
  return routes;
}
