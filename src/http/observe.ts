import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { RequestRecord } from "../record.ts";
import { logLine } from "../telemetry/log.ts";
import { traceContext } from "../telemetry/trace.ts";
import type { Walk } from "./call.ts";

const requestIdForm = /^[A-Za-z0-9._-]{1,128}$/;

/** Gives each request its id, trace and record, and writes its one log line when its answer has ended. */
export function observe(): MiddlewareHandler<Walk> {
  return async function observe(c, next) {
    const given = c.req.header("x-request-id");
    const requestId = given && requestIdForm.test(given) ? given : crypto.randomUUID();
    const trace = traceContext(c.req.header("traceparent"));
    const record: RequestRecord = {
      requestId,
      traceId: trace.traceId,
      startedAtMs: Date.now(),
      attempts: [],
      method: c.req.method,
    };
    c.set("record", record);
    c.set("trace", trace);

    const walked = next();
    // Where the caller leaves, a Worker lives on only for what it is told to wait for: this, and so the log line.
    c.executionCtx.waitUntil(logWhenOver(c, walked));
    await walked;

    record.route = routePath(c);
    c.res.headers.set("x-request-id", requestId);
  };
}

/** Writes a request's log line once all that it tells of has ended. */
async function logWhenOver(c: Context<Walk>, walked: Promise<void>): Promise<void> {
  await walked;
  const record = c.get("record");
  await record.ended;
  await record.written;
  c.get("memory")?.release();
  console.log(logLine(record, record.status ?? c.res.status, Date.now()));
}
