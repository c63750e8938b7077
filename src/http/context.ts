import type { Context } from "hono";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { RequestRecord } from "../telemetry/record.ts";
import type { TraceContext } from "../telemetry/trace.ts";
import type { Call } from "../upstream.ts";

/** What the middleware hand on to the routes. */
export interface Walk {
  Bindings: Env;
  Variables: {
    record: RequestRecord;
    trace: TraceContext;
    /** Who is asking; set by `authenticate`. */
    tenant: string;
  };
}

export interface StartedCall {
  readonly call: Call;
  /** Tells everything that works for this call that its caller has stopped reading; for streams. */
  readonly leave: () => void;
}

/** Begins a generation: its deadline, and a signal that aborts when the caller leaves. */
export function startCall(c: Context<Walk>, stream: boolean, deadlines: Config["deadlines"]): StartedCall {
  const reading = new AbortController();
  const { signal } = c.req.raw;
  const record = c.get("record");
  const trace = c.get("trace");
  const call: Call = {
    requestId: record.requestId,
    trace,
    tenant: c.get("tenant"),
    stream,
    deadlineMs: record.startedAtMs + requestTimeoutMs(c, deadlines.requestMs),
    // The runtime tells of a lost connection, a stream's reader of its own end.
    signal: stream ? AbortSignal.any([signal, reading.signal]) : signal,
    cacheControl: c.req.header("cache-control"),
    waitUntil: (work) => c.executionCtx.waitUntil(work),
    record,
  };
  return { call, leave: () => reading.abort() };
}

/** The time that the whole request may take: the setting, or less where the caller asks for less. */
function requestTimeoutMs(c: Context<Walk>, limitMs: number): number {
  const header = c.req.header("x-request-timeout-ms");
  if (header === undefined) return limitMs;
  if (!/^[1-9]\d{0,8}$/.test(header)) {
    throw new GatewayError("invalid_request", "The header 'x-request-timeout-ms' must be a positive whole number.", {
      code: "invalid_value",
      param: "x-request-timeout-ms",
    });
  }
  return Math.min(limitMs, Number(header));
}
