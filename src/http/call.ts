import type { Context } from "hono";
import type { Caller } from "../caller.ts";
import type { Config } from "../config/config.ts";
import { GatewayError, withParam } from "../errors.ts";
import type { Share } from "../in-flight.ts";
import type { RequestRecord } from "../record.ts";
import type { Call, Delivery, Hops, TraceContext, Upstream } from "../upstream.ts";
import { invalidValue } from "./invalid.ts";

/** What the middleware hand on to the routes. */
export interface Walk {
  Bindings: Env;
  Variables: {
    record: RequestRecord;
    trace: TraceContext;
    hops: Hops;
    /** Who is asking; set by `authenticate`. */
    caller: Caller;
    /** What is held in memory for the request; set by `holdMemory`. */
    memory: Share;
  };
}

/** A request on its way through the corridor. */
export interface StartedCall<Answer> {
  readonly call: Call;
  readonly answer: Promise<Answer>;
  /** Tells everything that works for this call that its caller has stopped reading; for streams and events. */
  readonly leave: () => void;
}

/** What a surface has read: the request, and how its caller wants to be answered. */
export interface Asked<Request> {
  readonly request: Request;
  /** Whether the answer is to come piece by piece. */
  readonly stream: boolean;
  /** Whether an answer that comes as a whole is to end a body of events, which begins before it is there. */
  readonly asEvents?: boolean;
  /** How long it may take, where the surface's protocol says so. */
  readonly timeoutMs?: number;
  /** What its caller calls parameters that have other names in OpenAI's API, by those. */
  readonly names?: Names;
}

type Names = Readonly<Record<string, string>>;

/** Where requests of one kind go, and what holds for them. */
export interface Destination<Request, Answer> {
  readonly upstream: Upstream<Request, Answer>;
  readonly config: Config;
  /** How long an answer may take, where that is less than any request may take. */
  readonly mostMs?: number;
  /** Whether whoever asks for a whole answer does not wait for long. */
  readonly isImpatient?: true;
  /** Holds a request to the configured limits. Throws a `GatewayError` that names the field. */
  readonly check: (request: Request, config: Config) => void;
  /** What all of its callers call parameters, where one does not say himself. */
  readonly names?: Names;
}

/** A longer name of a model is none, and what else it may be does not belong into the log. In UTF-16 units. */
const maxLoggedUnits = 256;

/** The platform's most impatient client leaves after 15 s. Asked by then, a second provider has time for an answer of usual length. */
const hurriedHedgeMs = 5_000;

/** Sends a request into the corridor: within the limits, with its deadline, and a signal that aborts when the caller leaves. */
export function startCall<Request extends { readonly model?: string; readonly user?: string }, Answer>(
  c: Context<Walk>,
  asked: Asked<Request>,
  {
    upstream,
    config,
    check,
    mostMs = Number.POSITIVE_INFINITY,
    isImpatient,
    names: usualNames,
  }: Destination<Request, Answer>,
): StartedCall<Answer> {
  const { stream, asEvents, timeoutMs, names = usualNames } = asked;
  const caller = c.get("caller");
  const request = ofItsUser(asked.request, caller);
  const record = c.get("record");
  if (request.model === undefined || request.model.length <= maxLoggedUnits) record.model = request.model;
  record.stream = stream;
  const refuse = (error: unknown): never => {
    throw asItsCallerCallsIt(error, names);
  };
  try {
    check(request, config);
  } catch (error) {
    refuse(error);
  }
  const { signal } = c.req.raw;
  const reading = stream || asEvents ? new AbortController() : undefined;
  const isHurried = isImpatient === true && !reading;
  const { requestMs, plainMs } = config.deadlines;
  const limitMs = Math.min(requestMs, mostMs, isHurried ? plainMs : requestMs);
  const deadlineMs = record.startedAtMs + requestTimeoutMs(c, limitMs);
  const call: Call = {
    requestId: record.requestId,
    trace: c.get("trace"),
    hops: c.get("hops"),
    caller,
    stream,
    delivery: deliveryOf(c, caller.tenant, config.stream.atomicTenants),
    idempotencyKey: idempotencyKey(c),
    deadlineMs: timeoutMs === undefined ? deadlineMs : Math.min(deadlineMs, Date.now() + timeoutMs),
    // The runtime tells of a lost connection, a stream's reader of its own end.
    signal: reading ? AbortSignal.any([signal, reading.signal]) : signal,
    hedgeAfterMs: isHurried ? hurriedHedgeMs : undefined,
    cacheControl: c.req.header("cache-control"),
    waitUntil: (work) => c.executionCtx.waitUntil(work),
    record,
    memory: c.get("memory"),
  };
  return { call, answer: upstream(request, call).catch(refuse), leave: () => reading?.abort() };
}

/** The request with the user whom its caller's token names in the place of the one whom it names itself. */
function ofItsUser<Request extends { readonly user?: string }>(request: Request, { user }: Caller): Request {
  return user === undefined || request.user === undefined ? request : { ...request, user };
}

/** An error that names a parameter by the name that its caller used. */
function asItsCallerCallsIt(error: unknown, names: Names | undefined): unknown {
  if (!(error instanceof GatewayError) || error.param === undefined || !names) return error;
  const [root = ""] = error.param.split(/[.[]/, 1);
  const name = Object.hasOwn(names, root) ? names[root] : undefined;
  return name === undefined ? error : withParam(error, name);
}

/** The time that the whole request may take: the setting, or less where the caller asks for less. */
function requestTimeoutMs(c: Context<Walk>, limitMs: number): number {
  const header = c.req.header("x-request-timeout-ms");
  if (header === undefined) return limitMs;
  if (!/^[1-9]\d{0,8}$/.test(header))
    throw invalidValue("x-request-timeout-ms", "The header '{param}' must be a positive whole number.");
  return Math.min(limitMs, Number(header));
}

/** How a stream is handed out: as the caller says, else as the settings say for its tenant. */
function deliveryOf(c: Context<Walk>, tenant: string, atomicTenants: readonly string[]): Delivery {
  const header = c.req.header("x-qingyu-delivery");
  if (header === undefined) return atomicTenants.some((name) => name === tenant || name === "*") ? "atomic" : "live";
  if (header !== "live" && header !== "atomic")
    throw invalidValue("x-qingyu-delivery", "The header '{param}' must be 'live' or 'atomic'.");
  return header;
}

function idempotencyKey(c: Context<Walk>): string | undefined {
  const header = c.req.header("idempotency-key");
  if (header === undefined || /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw invalidValue("idempotency-key", "The header '{param}' must be 1 to 255 visible ASCII characters.");
}
