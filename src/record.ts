import type { Caller } from "./caller.ts";
import type { Came } from "./came.ts";
import type { GatewayError } from "./errors.ts";
import type { Usage } from "./generation.ts";

/** One provider's turn in a request. */
export interface AttemptRecord {
  readonly provider: string;
  /**
   * `pending`, then `ok` (of a live stream: its first token is there) or the reason of the failure (`unavailable`,
   * `timeout`, ...); `superseded` where another attempt was faster, `canceled` where the caller left, `breaker_open` where
   * nobody was asked. Changes when a stream fails after its first token.
   */
  outcome: string;
  /** Until the whole answer, of a stream until its first token. */
  durationMs: number;
  /** Until a stream's first token, once it is there. */
  firstTokenMs?: number;
  /** The `x-request-id` that the provider was sent; absent where nobody was asked. */
  readonly upstreamRequestId?: string;
  /** What has come of an answer that is held back until it is complete. */
  came?: Came;
}

/** What the cache did, in the terms of RFC 9211. */
export interface CacheRecord {
  status: "hit" | "stale" | "miss" | "coalesced" | "bypass";
  /** Why the request went on to a provider, if it did: nothing there, something too old for us or for the caller, or the caller forbade to look. */
  forwarded: "miss" | "stale" | "request" | "bypass";
  /** Code of the error that an older answer stands in for. */
  failedWith?: string;
  /** How long the entry stays fresh; negative where it is not. */
  ttlSeconds?: number;
  ageSeconds?: number;
  /** Known to be written (RFC 9211 `stored`). */
  stored?: boolean;
  /** How long the read took or was waited for. */
  readMs?: number;
}

/** Whether an entry answered. */
export function isFromCache({ status }: CacheRecord): boolean {
  return status === "hit" || status === "stale";
}

/** How a caller's limits stood when he asked. */
interface LimitsRecord {
  readonly requests?: Left;
  readonly tokens?: Left;
  /** Which limit has refused the request. */
  readonly refusal?: string;
  /** His account did not answer, and what became of the request then. */
  readonly unreachable?: "refuse" | "allow";
}

/** What is left of a limit. */
export interface Left {
  readonly limit: number;
  readonly remaining: number;
  /** Until all of it is there again, in milliseconds; absent where it never is by itself. */
  readonly resetMs?: number;
}

/** What is written down about a request on its way; the log line and the answer's headers are read off it. */
export interface RequestRecord {
  readonly requestId: string;
  readonly traceId: string;
  readonly startedAtMs: number;
  readonly attempts: AttemptRecord[];
  /** Of HTTP; absent where nobody asks by it. */
  method?: string;
  /** The route's pattern, never the path that the caller wrote. */
  route?: string;
  operation?: string;
  /** Absent where the request came with no right to ask. */
  caller?: Caller;
  /** The id of the managed key that an administrator made, rotated or revoked. */
  administered?: string;
  model?: string;
  /** Whether the answer is wanted piece by piece. */
  stream?: boolean;
  provider?: string;
  /** The parameters that the provider was not sent, since it lacks them. */
  omitted?: readonly string[];
  cache?: CacheRecord;
  /** Answered from an earlier request with the same idempotency key. */
  replayed?: true;
  /** Absent for who has no limits. */
  limits?: LimitsRecord;
  /** Id of the run that does the work (`runs/`): what the work cost stands in a log line of its own. */
  run?: string;
  finishReason?: string;
  /** The provider's word for how the answer ended where it is none that is known; the answer then counts as `stop`. */
  unknownFinishReason?: string;
  /** Of the answer that the caller got, whoever paid for it. */
  usage?: Usage;
  /** What an answer took of which nobody has said it: its caller left, or its provider does not count. */
  estimatedTokens?: number;
  /** Code of the error that the caller got, also inside a stream. */
  error?: string;
  /** How a call ended, as HTTP would say it, where its protocol says so elsewhere. */
  status?: number;
  /** Names and messages of our own errors behind a failure (500s), for the log. */
  cause?: string;
  responseBytes?: number;
  /** Until the first token of a stream was there. */
  firstTokenMs?: number;
  /** Settles when the corridor's answer has ended: complete, failed or left by its caller. Absent where nothing was asked. */
  ended?: Promise<void>;
  /** Settles when the last byte of a streamed body was written, or its reader has left. Absent where the body is not streamed. */
  written?: Promise<void>;
}

/** Writes down why a request failed. */
export function noteError(record: RequestRecord, { kind, code, cause }: GatewayError): void {
  record.error = code;
  if (kind === "internal" && cause instanceof Error) record.cause = placeOf(cause);
}

/** Where an unforeseen error came from: its name and stack without its message, which may quote a request. */
function placeOf({ name, stack = "" }: Error): string {
  const frames = stack.split("\n").filter((line) => /^ +at \S.*:\d+:\d+\)?$/.test(line));
  return [name, ...frames.slice(0, 5).map((frame) => frame.trim())].join(" ");
}
