import { isStream } from "../collect.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, GenerationRequest } from "../generation.ts";
import { fewestTokens } from "../token-count.ts";
import type { Call, Generate, Provider } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import { pause } from "../waiting.ts";
import { attempt, type Limits } from "./attempt.ts";
import type { Breaker } from "./breaker.ts";
import type { Budget } from "./budget.ts";
import { toGatewayError, verdictOn } from "./failures.ts";
import { hedged } from "./hedge.ts";
import { retryDelayMs } from "./retry.ts";

/** A provider in the chain, with what keeps requests from it while it fails. */
export interface Member {
  readonly provider: Provider;
  readonly breaker: Breaker;
}

export interface ChainOptions {
  readonly limits: Limits;
  readonly retries: Budget;
  /** Absent where requests are not hedged. */
  readonly hedge?: { readonly afterMs: number; readonly budget: Budget };
  /** Numbers from 0 to 1. */
  readonly random: () => number;
}

/** A request on its way along the chain. */
interface Walk {
  readonly request: GenerationRequest;
  /** Who has not been asked yet. */
  readonly left: Member[];
  /** What the first provider that was asked said: the caller hears of it when all fail. */
  first?: UpstreamFailure;
  /** A complete answer of which something could not be understood: better than none, and worse than another provider's. */
  lastResort?: Answer;
  hasToken: boolean;
  /** A retry was worth it, but there have been too many. */
  isOverBudget: boolean;
}

/** The share of the remaining time that an attempt may use while another provider is left. */
const shareWithOthers = 0.6;

/**
 * Asks the providers that can carry the request, one after the other, until one answers: each once more where that is
 * worth it, none whose breaker is open, and the next one early where the first token is late and hedging is on. A whole
 * answer counts when it is complete and not empty, a live stream from its first token on.
 *
 * Throws a `GatewayError`: 400 `unsupported_parameter` or `context_length_exceeded` where no provider can carry the
 * request, the caller's own fault as soon as a provider names it, 503 where every breaker is open, else the failure of the
 * first provider that was asked (docs/reliability.md).
 */
export function firstAvailable(members: readonly Member[], chain: ChainOptions): Generate {
  return async (request, call) => {
    const able = thoseWhoCan(members, request);
    const walk: Walk = { request, left: [...able], hasToken: false, isOverBudget: false };
    chain.retries.earn();
    chain.hedge?.budget.earn();
    const answer = (await askAll(walk, call, chain)) ?? walk.lastResort;
    if (answer) return answer;
    if (walk.first) throw toGatewayError(walk.first, walk.isOverBudget ? { shouldRetry: false } : {});
    if (call.deadlineMs <= Date.now()) throw toGatewayError(UpstreamFailure.wire("timeout"));
    throw new GatewayError("upstream_unavailable", "No AI provider is available now.", {
      retryAfterMs: Math.min(...able.map(({ breaker }) => breaker.waitMs())),
    });
  };
}

/** Throws where there is nobody. */
function thoseWhoCan(members: readonly Member[], request: GenerationRequest): Member[] {
  const able = members.filter(({ provider }) => provider.unsupported(request) === undefined);
  if (able.length === 0) {
    const param = members[0]?.provider.unsupported(request);
    throw new GatewayError("invalid_request", `No configured provider supports the parameter '${param}'.`, {
      code: "unsupported_parameter",
      param,
    });
  }
  if (able.every(({ provider }) => provider.contextTokens === undefined)) return able;
  const tokens = fewestTokens(request);
  const roomy = able.filter(({ provider }) => tokens <= (provider.contextTokens ?? tokens));
  if (roomy.length === 0) throw toGatewayError(UpstreamFailure.peer("context_length_exceeded"));
  return roomy;
}

async function askAll(walk: Walk, call: Call, chain: ChainOptions): Promise<Answer | undefined> {
  if (!chain.hedge) return await askInTurn(walk, call, chain);
  const { afterMs, budget } = chain.hedge;
  const answer = await hedged((signal) => askInTurn(walk, { ...call, signal }, chain), {
    afterMs,
    mayStart: () => !walk.hasToken && walk.left.length > 0 && budget.spend(),
    signal: call.signal,
  });
  // The one that lost will say so itself, but only when its abortion has gone through.
  for (const attempt of call.record.attempts) if (attempt.outcome === "pending") attempt.outcome = "superseded";
  return answer;
}

/** Undefined where nobody is left, or no time. */
async function askInTurn(walk: Walk, call: Call, chain: ChainOptions): Promise<Answer | undefined> {
  for (let member = walk.left.shift(); member; member = walk.left.shift()) {
    const answer = await askMember(member, walk, call, chain);
    if (answer) return answer;
  }
  return undefined;
}

/** A provider's attempt and, where it is worth it, its second one. Undefined where the next provider is to be asked. */
async function askMember(
  { provider, breaker }: Member,
  walk: Walk,
  call: Call,
  chain: ChainOptions,
): Promise<Answer | undefined> {
  for (let isRetry = false; ; isRetry = true) {
    const shareMs = shareOfTime(walk, call);
    if (shareMs <= 0) return undefined;
    const permit = breaker.take();
    if (!permit) {
      if (!isRetry) call.record.attempts.push({ provider: provider.name, outcome: "breaker_open", durationMs: 0 });
      return undefined;
    }
    let delayMs: number | undefined;
    try {
      const answer = await attempt({
        provider,
        permit,
        request: walk.request,
        call,
        shareEndsMs: Date.now() + shareMs,
        limits: chain.limits,
        willRetry: (failure) => {
          delayMs = isRetry ? undefined : affordableDelayMs(failure, walk, call, chain);
          return delayMs !== undefined;
        },
        onToken: () => {
          walk.hasToken = true;
        },
      });
      if (isStream(answer) || !answer.hasGap) return answer;
      walk.lastResort ??= answer;
      return undefined;
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      if (isForCaller(error, walk)) {
        if (!walk.lastResort) throw toGatewayError(walk.first ?? error);
        walk.left.length = 0;
        return undefined;
      }
      walk.first ??= error;
      if (delayMs === undefined) return undefined;
      await pause(delayMs, call.signal);
    }
  }
}

/** How long to wait before the same provider is asked again; undefined where that is not worth it, or there is no time or budget for it. */
function affordableDelayMs(
  failure: UpstreamFailure,
  walk: Walk,
  call: Call,
  { random, retries }: ChainOptions,
): number | undefined {
  const delayMs = retryDelayMs(failure, random);
  if (delayMs === undefined || delayMs >= shareOfTime(walk, call)) return undefined;
  if (retries.spend()) return delayMs;
  walk.isOverBudget = true;
  return undefined;
}

/** How long an attempt may take now, in milliseconds. */
function shareOfTime({ left }: Walk, { deadlineMs }: Call): number {
  return (deadlineMs - Date.now()) * (left.length > 0 ? shareWithOthers : 1);
}

/** A later provider's refusal may be its own peculiarity, such as a prefill that it does not take: another one is asked. */
function isForCaller({ failure }: UpstreamFailure, { first }: Walk): boolean {
  return verdictOn(failure).leadsTo === "caller" && !(first && failure.reason === "invalid_request");
}
