/** What the protocols of AI back ends have in common, so that one scenario can be played in all of them. */

/** An error in each protocol's own words. */
export interface WireError {
  readonly status: number;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** An answer in the units in which it is sent. */
export interface Spoken {
  /** What comes before the first token. */
  readonly opening: readonly Uint8Array[];
  /** One unit per token; of a whole answer, the answer. */
  readonly tokens: readonly Uint8Array[];
  /** What proves that the answer is complete. */
  readonly ending: readonly Uint8Array[];
}

export interface Quirks {
  /** Leaves out what older or sloppy back ends leave out: model, counts, finish reason. */
  readonly vague?: boolean;
  /** Says only what an answer cannot do without. */
  readonly terse?: boolean;
  readonly finishReason?: string;
  readonly tokensUsed?: number;
  /** What an AI service says of the project's knowledge. */
  readonly knowledge?: string;
}

/** A protocol as a back end speaks it in one kind of call. */
export interface Dialect {
  readonly contentType: string;
  /** Whether an answer comes with its length, not in chunks. */
  readonly isWhole: boolean;
  /** Whether answers are pieces of a stream. */
  readonly isStream: boolean;
  readonly isFramed: boolean;
  say(pieces: readonly string[], quirks?: Quirks): Spoken;
  /** An error as the whole answer. `word` is a Connect code or an OpenAI code. */
  fail(word: string, status: number): WireError;
  /** The same error inside an answer that has begun well. */
  failInside(word: string): Uint8Array;
  /** A unit that is none, in a well-formed envelope where there are envelopes. */
  readonly garbage: Uint8Array;
}

export const utf8 = (text: string) => new TextEncoder().encode(text);
export const json = (value: unknown) => utf8(JSON.stringify(value));
