import type { Caller } from "../caller.ts";
import type { Sentence, Values } from "../error-sentences.ts";
import { type ErrorKind, GatewayError } from "../errors.ts";
import type { AttemptRecord } from "../record.ts";
import type { Hops, TraceContext } from "../upstream.ts";

/*
 * What isolates and the object of a run tell each other: plain data, since that is all that crosses over.
 */

/** A request of a long RPC, with what travels beside it. */
export interface Work {
  /** Of the caller and his idempotency key. */
  readonly name: string;
  readonly fingerprint: string;
  /** The operation's name. */
  readonly operation: string;
  readonly request: {
    /** The message in binary. */
    readonly message: Uint8Array;
    readonly user?: string;
    readonly model?: string;
    readonly maxTokens?: number;
  };
  readonly caller: Caller;
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly hops: Hops;
}

/** What an object knows of its key. A run is `known` while it goes on, and while its answer is kept. */
export type Found =
  | { readonly state: "free" }
  | { readonly state: "known"; readonly run: string }
  /** The key stands for another request. */
  | { readonly state: "taken" };

/** What came of asking an object to begin. `known`: somebody else's run goes on. */
export type Begun =
  | { readonly state: "begun" | "known"; readonly run: string }
  | { readonly state: "taken" }
  | { readonly state: "refused"; readonly error: ToldError };

/** How a run is. `lost`: it has ended without a word, and nobody knows how far it had come. */
export type Outcome =
  | { readonly state: "running" }
  | { readonly state: "lost" }
  | { readonly state: "answered"; readonly sealed: Uint8Array; readonly attempts: readonly ToldAttempt[] }
  | { readonly state: "failed"; readonly error: ToldError; readonly attempts: readonly ToldAttempt[] };

/** What came of an attempt, once it is over. */
export type ToldAttempt = Pick<AttemptRecord, "provider" | "outcome" | "durationMs" | "upstreamRequestId">;

/** How a run has ended that could still tell. */
export type Ended = Extract<Outcome, { readonly state: "answered" | "failed" }>;

/** What a caller is told of an error; its cause stays where it was thrown. */
export interface ToldError {
  readonly kind: ErrorKind;
  readonly sentence: Sentence;
  readonly values: Values;
  readonly code: string;
  readonly param?: string;
  readonly retryAfterMs?: number;
  readonly shouldRetry?: false;
}

export function tellAttempt({ provider, outcome, durationMs, upstreamRequestId }: AttemptRecord): ToldAttempt {
  return { provider, outcome, durationMs, upstreamRequestId };
}

export function tellError({ kind, sentence, values, code, param, retryAfterMs, shouldRetry }: GatewayError): ToldError {
  return { kind, sentence, values, code, param, retryAfterMs, shouldRetry };
}

export function toldError({ kind, sentence, ...options }: ToldError): GatewayError {
  return new GatewayError(kind, sentence, options);
}

/** Longer than any answer that a provider may give is as JSON, but for one that was made to be. */
export const maxAnswerBytes = 8 * 1024 * 1024;

/** What a run's answer is sealed for. */
export const sealedFor = (name: string) => `run:${name}`;
