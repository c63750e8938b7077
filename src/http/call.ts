import type { Context } from "hono";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { RequestRecord } from "../record.ts";
import type { TraceContext } from "../telemetry/trace.ts";
import type { Call, Delivery } from "../upstream.ts";

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

/** Begins a generation: what its headers ask for, its deadline, and a signal that aborts when the caller leaves. */
export function startCall(c: Context<Walk>, isStream: boolean, config: Config): StartedCall {
  const reading = new AbortController();
  const { signal } = c.req.raw;
  const record = c.get("record");
  const tenant = c.get("tenant");
  const call: Call = {
    requestId: record.requestId,
    trace: c.get("trace"),
    tenant,
    stream: isStream,
    delivery: deliveryOf(c, tenant, config.stream.atomicTenants),
    idempotencyKey: idempotencyKey(c),
    deadlineMs: record.startedAtMs + requestTimeoutMs(c, config.deadlines.requestMs),
    // The runtime tells of a lost connection, a stream's reader of its own end.
    signal: isStream ? AbortSignal.any([signal, reading.signal]) : signal,
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
  if (!/^[1-9]\d{0,8}$/.test(header)) throw invalidHeader("x-request-timeout-ms", "a positive whole number");
  return Math.min(limitMs, Number(header));
}

/** How a stream is handed out: as the caller says, else as the settings say for its tenant. */
function deliveryOf(c: Context<Walk>, tenant: string, atomicTenants: readonly string[]): Delivery {
  const header = c.req.header("x-qingyu-delivery");
  if (header === undefined) return atomicTenants.some((name) => name === tenant || name === "*") ? "atomic" : "live";
  if (header !== "live" && header !== "atomic") throw invalidHeader("x-qingyu-delivery", "'live' or 'atomic'");
  return header;
}

function idempotencyKey(c: Context<Walk>): string | undefined {
  const header = c.req.header("idempotency-key");
  if (header === undefined || /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw invalidHeader("idempotency-key", "1 to 255 visible ASCII characters");
}

function invalidHeader(name: string, expected: string): GatewayError {
  return new GatewayError("invalid_request", `The header '${name}' must be ${expected}.`, {
    code: "invalid_value",
    param: name,
  });
}
