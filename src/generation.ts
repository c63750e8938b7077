/** What the gateway is about, free of HTTP, of providers and of storage: a request, an answer, the pieces of a streamed answer. */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

type Role = "system" | "developer" | "user" | "assistant" | "tool" | "function";

/** How many messages a request may have: OpenAI's own limit, the same on every surface; and how many parts one of them. */
export const maxMessages = 2048;
export const maxContentParts = 2048;

export interface Message {
  readonly role: Role;
  /** Text, or content parts in OpenAI's form where the caller sent more than one text. Null only beside tool calls. */
  readonly content: string | readonly JsonObject[] | null;
  readonly name?: string;
  /** Members that only OpenAI-type providers understand (`tool_calls`, `tool_call_id`, ...), verbatim. */
  readonly extra?: JsonObject;
}

/** OpenAI's two names for the upper bound of an answer; older servers know the first only, models that think the second. */
type MaxTokensName = "max_tokens" | "max_completion_tokens";

/** A validated request. What the caller left out stays out; `GenerationDefaults` says what is used then. */
export interface GenerationRequest {
  readonly projectId?: string;
  readonly chapterId?: string;
  readonly user?: string;
  readonly model?: string;
  /** At least one, and no more than `maxMessages`. */
  readonly messages: readonly Message[];
  /** Upper bound of the answer in tokens. */
  readonly maxTokens?: number;
  /** What the caller calls it, who knows which of the two his model takes. */
  readonly maxTokensName?: MaxTokensName;
  readonly temperature?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly responseFormat?: "json_object";
  readonly structure?: Structure;
  /** Parameters of OpenAI's API that the gateway does not interpret, under their wire names, carried verbatim. */
  readonly extra?: JsonObject;
  /**
   * What whoever wrote the request would have where its caller has left it out: in the place of the defaults, bounded as they
   * are, and left out where a model does not take it.
   */
  readonly suggested?: Sampling;
  /** Providers are asked for nothing that its caller left out, unless the settings say so: it is in the form of an API that has no such defaults. */
  readonly isAsWritten?: true;
}

/**
 * What the gateway itself wants an answer to be: JSON of this schema, which the messages tell too. A provider that cannot be
 * held to a schema, or whose model refuses it, is asked without it.
 */
export interface Structure {
  /** Letters, digits and _, 64 at most. */
  readonly name: string;
  /** JSON Schema by the strict rules of OpenAI's and Anthropic's structured outputs. */
  readonly schema: JsonObject;
}

/**
 * What an answer made of what its project knows: `used`, `none` where it knows nothing, `unavailable` where the answer had
 * to do without and another one may be better.
 */
export const knowledgeStates = ["used", "none", "unavailable"] as const;
export type KnowledgeState = (typeof knowledgeStates)[number];

/** Used where a request leaves a value out (settings ai.model, ai.max_tokens, ai.temperature). */
export interface GenerationDefaults {
  readonly model: string;
  /** For the platform's requests, and for the AI service whoever asks. */
  readonly platform: Required<Sampling>;
  /** For requests that are `isAsWritten`: only what the settings say. */
  readonly asWritten: Sampling;
  /** The most tokens that may be asked for (setting limits.max_tokens). */
  readonly mostTokens: number;
}

export interface Sampling {
  /** Upper bound of the answer in tokens. */
  readonly maxTokens?: number;
  readonly temperature?: number;
}

/** What a provider that needs neither is asked for where the caller left it out. */
export function defaultsFor(
  { isAsWritten, structure, suggested }: GenerationRequest,
  { asWritten, platform, mostTokens }: GenerationDefaults,
): Sampling {
  const { maxTokens, temperature } = isAsWritten ? asWritten : platform;
  const defaults = {
    maxTokens: suggested?.maxTokens === undefined ? maxTokens : Math.min(suggested.maxTokens, mostTokens),
    temperature: suggested?.temperature ?? temperature,
  };
  // A structure that is cut is worth nothing: its length is the model's own, unless whoever asks knows how long it can be.
  return structure && suggested?.maxTokens === undefined ? { ...defaults, maxTokens: undefined } : defaults;
}

export const finishReasons = ["stop", "length", "content_filter", "tool_calls", "function_call"] as const;
export type FinishReason = (typeof finishReasons)[number];

/** Token counts as the provider reported them. A provider that did not report has no `Usage`, never zeros. */
export interface Usage {
  readonly totalTokens: number;
  /** Where the provider reported more than the total. */
  readonly split?: { readonly promptTokens: number; readonly completionTokens: number };
  /** OpenAI's `prompt_tokens_details` and `completion_tokens_details`, verbatim. */
  readonly details?: JsonObject;
}

/** One alternative of an answer; there is exactly one unless the caller asked for several (`n`). */
export interface Choice {
  readonly content: string;
  readonly finishReason: FinishReason;
  /** Members of OpenAI's `message` besides role and content (`tool_calls`, `refusal`, ...), verbatim. */
  readonly extra?: JsonObject;
  readonly logprobs?: JsonValue;
}

/** A complete answer. */
export interface Generation {
  readonly provider: string;
  readonly model: string;
  readonly createdAtMs: number;
  readonly choices: readonly [Choice, ...Choice[]];
  readonly usage?: Usage;
  /** Absent where the provider keeps no knowledge or does not say. */
  readonly knowledge?: KnowledgeState;
  /** Something of it could not be understood and was left out, though the rest says that it is complete. */
  readonly hasGap?: true;
}

/** A piece of a streamed answer. */
export interface GenerationChunk {
  /** Which choice it continues, counted from 0. */
  readonly choice: number;
  /** Text to append; may be empty. */
  readonly delta: string;
  /** Members of OpenAI's `delta` besides role and content, verbatim. */
  readonly extra?: JsonObject;
  readonly logprobs?: JsonValue;
  /** Set on the last chunk of a choice. */
  readonly finishReason?: FinishReason;
  readonly model?: string;
  /** Set on one chunk of the whole stream, usually the last. */
  readonly usage?: Usage;
  /** Set on one chunk of the whole stream, usually the last. */
  readonly knowledge?: KnowledgeState;
  /** Something before it could not be understood and was left out. */
  readonly hasGap?: true;
  /** It says nothing but that the model is at work: it thinks. */
  readonly isSignOfLife?: true;
}

/** A streamed answer. */
export interface GenerationStream {
  readonly provider: string;
  readonly model: string;
  readonly createdAtMs: number;
  /**
   * All chunks that have come since the last time, in order; undefined once the provider has said that the answer is
   * complete. Throws where it ends otherwise. One call at a time; whoever stops reading aborts the call's signal.
   */
  readonly read: () => Promise<readonly GenerationChunk[] | undefined>;
}
