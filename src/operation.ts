import type { Caller } from "./caller.ts";
import type { GenerationChunk, GenerationStream, Usage } from "./generation.ts";

/** What a whole answer says of itself, whatever was asked for. */
export interface WholeAnswer {
  /** Name of the provider that answered. */
  readonly provider: string;
  /** The model that answered as the provider named it, else the one that was asked for. */
  readonly model: string;
  readonly createdAtMs: number;
  /** Absent where the provider did not report it. */
  readonly usage?: Usage;
  /** Something of it could not be understood and was left out, though the rest says that it is complete. */
  readonly hasGap?: true;
}

/** What is known of a streamed answer before its first chunk. */
export type StreamHead = Omit<GenerationStream, "read">;

/** An upstream may answer whole or streamed whatever was preferred; `streamOf` and `wholeOf` turn one into the other. */
export type Answer<Whole> = Whole | GenerationStream;

/** Puts a stream's chunks together again. */
export interface Collector<Whole> {
  add(chunk: GenerationChunk): void;
  /** What the chunks amount to. Throws where they do not make a complete answer. */
  finish(): Whole;
}

/**
 * Something that can be asked for, as a value: all that the corridor must know of it. Whatever is done with a request on
 * its way (cache, idempotency, sharing, fallback) is the same for every operation.
 */
export interface Operation<Request, Whole extends WholeAnswer> {
  /** Part of cache keys, fingerprints and log lines. */
  readonly name: string;
  /** The model that a request names; empty where it leaves the choice. */
  modelOf(request: Request): string;
  /** What a caller's request asks for, with the defaults filled in: two requests that mean the same share an answer. */
  meaning(request: Request, caller: Caller): unknown;
  /** What tells one request under an idempotency key from another, as JSON; the request itself where absent. */
  fingerprint?(request: Request): unknown;
  /** Whether an answer says nothing at all, and so is as good as none. */
  isEmpty(whole: Whole): boolean;
  finishReason?(whole: Whole): string;
  /** Whether an answer that ended so may be empty because of what its caller asked for: it counts against nobody. */
  mayEndEmpty?(request: Request, finishReason: string): boolean;
  /** Whether an answer that ended so is one although it is empty: another try would end so too. */
  isAnswerThoughEmpty?(request: Request, finishReason: string): boolean;
  /** Absent where no answer comes as a stream. */
  collector?(head: StreamHead): Collector<Whole>;
  readonly storage: Storage<Whole>;
  /** How long an answer counts for all who ask the same; absent where it stands only under idempotency keys. */
  readonly lifetimes?: Lifetimes;
  /**
   * Whether a provider may be asked once more, or two at once. Where that costs minutes of somebody's model they are not: then
   * only who has refused a request before beginning it is asked again.
   */
  readonly mayRetry: boolean;
  readonly limits: Limits;
  /** How many tokens a request has at least, for providers whose settings say how many they take. */
  fewestTokens?(request: Request): number;
  /** What a request may take, before anybody has counted. */
  estimate(request: Request): Estimate;
  /** About how many tokens an answer has, where nobody has counted. */
  tokensIn(whole: Whole): number;
}

/** More than most requests take, so that a budget which lets one in is seldom overdrawn. */
interface Estimate {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** The request does not say how long its answer may be. */
  readonly isGuess: boolean;
}

/** How an operation's answers are kept. */
export interface Storage<Whole> {
  /** Whether an answer is worth keeping: complete, and not one that another try would better. */
  isStorable(whole: Whole): boolean;
  toJson(whole: Whole): unknown;
  /** Undefined where it is not what `toJson` made. */
  fromJson(value: unknown): Whole | undefined;
}

/** How long an answer counts, in seconds. */
export interface Lifetimes {
  /** Fresh, counted from its creation. */
  readonly ttlSeconds: number;
  /** Stale, after that. */
  readonly staleSeconds: number;
}

/** Time limits in milliseconds (settings deadlines.*). */
export interface Limits {
  readonly requestMs: number;
  /** How long a stream's first token may take. */
  readonly firstTokenMs: number;
  /** How long a stream may be silent between two tokens. */
  readonly idleMs: number;
}
