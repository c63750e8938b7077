import type { Usage } from "../generation.ts";
import type { Spent } from "../metered.ts";
import { type Amount, cachedTokensIn, costOf, type ModelPrice, priceFor, reasoningTokensIn } from "../price.ts";
import { isFromCache, type RequestRecord } from "../record.ts";
import type { Call } from "../upstream.ts";
import type { AnswerEnd } from "../watched.ts";

/** `provider`: it was asked and is paid; else nobody was asked for this one: another request's answer stands for it. */
type Source = "provider" | "cache" | "shared" | "replay";

/** One answered request, as it is kept: ids, names and numbers, nothing of what was asked or answered. */
export interface Entry {
  /** Made here and not by a caller, so that an entry that is written again is known. */
  readonly id: string;
  readonly atMs: number;
  readonly requestId: string;
  readonly upstreamRequestId?: string;
  readonly user?: string;
  readonly keyId?: string;
  readonly operation: string;
  readonly model: string;
  readonly provider: string;
  readonly source: Source;
  readonly outcome: AnswerEnd;
  readonly isEstimated: boolean;
  /** Of what nobody was asked for, as when it was asked for; absent where that is not known. */
  readonly tokens?: Tokens;
  /** Absent where it is not known, and where nobody was paid. */
  readonly cost?: Amount;
}

interface Tokens {
  readonly prompt?: number;
  /** Those of the prompt that the provider had in its cache. */
  readonly cached?: number;
  readonly completion?: number;
  /** Those of the completion that were thoughts. */
  readonly reasoning?: number;
  readonly total: number;
}

/** The entry of what a provider is paid for; undefined where nothing was taken. */
export function chargedEntry(
  call: Call,
  operation: string,
  spent: Spent,
  prices: readonly ModelPrice[],
): Entry | undefined {
  const { provider = "", model = "", usage, isEstimated = false, end: outcome, upstreamRequestId } = spent;
  if (!usage || !outcome) return undefined;
  const price = priceFor(model, prices);
  return {
    ...common(call, operation),
    ...{ upstreamRequestId, model, provider, outcome, isEstimated },
    source: "provider",
    tokens: tokensOf(usage),
    cost: price && costOf(usage, price),
  };
}

/** The entry of a request for which nobody was asked; undefined where somebody was. */
export function freeEntry(call: Call, operation: string, outcome: AnswerEnd): Entry | undefined {
  const { record } = call;
  const source = sourceOf(record);
  if (!source) return undefined;
  const { usage, provider = "", model = "" } = record;
  return {
    ...common(call, operation),
    ...{ model, provider, source, outcome, isEstimated: false },
    tokens: usage && tokensOf(usage),
  };
}

function common({ requestId, caller: { user, keyId } }: Call, operation: string) {
  return { id: crypto.randomUUID(), atMs: Date.now(), requestId, user, keyId, operation };
}

function sourceOf({ cache, replayed }: RequestRecord): Source | undefined {
  if (replayed) return "replay";
  if (!cache) return undefined;
  if (isFromCache(cache)) return "cache";
  return cache.status === "coalesced" ? "shared" : undefined;
}

function tokensOf(usage: Usage): Tokens {
  return {
    prompt: usage.split?.promptTokens,
    cached: cachedTokensIn(usage),
    completion: usage.split?.completionTokens,
    reasoning: reasoningTokensIn(usage),
    total: usage.totalTokens,
  };
}
