import { isStream } from "../collect.ts";
import { GatewayError } from "../errors.ts";
import type { Answer, Operation, WholeAnswer } from "../operation.ts";
import type { Call, Provider, Upstream } from "../upstream.ts";
import { UpstreamFailure } from "../upstream-failure.ts";
import { pause } from "../waiting.ts";
import { ableTo, type Member } from "./able.ts";
import { attempt, type Failed } from "./attempt.ts";
import type { Budget } from "./budget.ts";
import { toGatewayError, verdictOn } from "./failures.ts";
import { hedged } from "./hedge.ts";
import type { Asked } from "./model-circuits.ts";
import { isNotBegun, retryDelayMs } from "./retry.ts";

export interface ChainOptions {
  readonly retries: Budget;
  /** Absent where requests are not hedged. */
  readonly hedge?: Hedge;
}

interface Hedge {
  readonly afterMs: number;
  readonly budget: Budget;
}

/** A request on its way along the chain. */
interface Journey<Request, Whole extends WholeAnswer> {
  readonly operation: Operation<Request, Whole>;
  readonly chain: ChainOptions;
  readonly request: Request;
  readonly asked: Asked;
  /** Who has not been asked yet. */
  readonly left: Member<Request, Answer<Whole>>[];
  /** What the first provider that was asked said: the caller hears of it when all fail. */
  first?: UpstreamFailure;
  /** A complete answer of which something could not be understood: better than none, and worse than another provider's. */
  lastResort?: Whole;
  /** Somebody has been asked once more. */
  isRetried: boolean;
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
 * request, the caller's own fault as soon as a provider names it, 503 where every breaker is open (429 where the first is
 * because of 429s), else the failure of the first provider that was asked (docs/reliability.md).
 */
export function firstAvailable<Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  members: readonly Member<Request, Answer<Whole>>[],
  chain: ChainOptions,
): Upstream<Request, Answer<Whole>> {
  return async (request, call) => {
    const able = ableTo(members, operation, request);
    const asked: Asked = { tenant: call.caller.tenant, operation: operation.name, model: operation.modelOf(request) };
    const journey: Journey<Request, Whole> = {
      operation,
      chain,
      request,
      asked,
      left: [...able],
      isRetried: false,
      isOverBudget: false,
    };
    const { retries } = chain;
    const hedge = operation.mayRetry ? chain.hedge : undefined;
    retries.earn();
    hedge?.budget.earn();
    const answer = (await (hedge ? askHedged(journey, call, hedge) : askInTurn(journey, call))) ?? journey.lastResort;
    if (answer) return answer;
    const { first, isOverBudget, isRetried } = journey;
    if (first) {
      // His tries would multiply ours, unless the provider itself has said when one is worth it.
      const isInVain = isOverBudget || (isRetried && first.retryAfterMs === undefined);
      throw toGatewayError(first, isInVain ? { shouldRetry: false } : {});
    }
    if (call.deadlineMs <= Date.now()) throw toGatewayError(UpstreamFailure.wire("timeout"));
    const retryAfterMs = Math.min(...able.map(({ breaker }) => breaker.waitMs(asked)));
    if (able[0]?.breaker.isAtLimit(asked)) throw toGatewayError(UpstreamFailure.peer("rate_limited", { retryAfterMs }));
    throw new GatewayError("upstream_unavailable", "No AI provider is available now.", { retryAfterMs });
  };
}

/** Asks two of them at once where the first is late. */
async function askHedged<Request, Whole extends WholeAnswer>(
  journey: Journey<Request, Whole>,
  call: Call,
  { afterMs, budget }: Hedge,
): Promise<Answer<Whole> | undefined> {
  const { attempts } = call.record;
  const hasToken = () =>
    attempts.some(({ outcome, firstTokenMs }) => outcome === "pending" && firstTokenMs !== undefined);
  const answer = await hedged((signal) => askInTurn(journey, { ...call, signal }), {
    afterMs: Math.min(afterMs, call.hedgeAfterMs ?? afterMs),
    mayStart: () => !hasToken() && journey.left.length > 0 && budget.spend(),
    signal: call.signal,
  });
  // The one that lost will say so itself, but only when its abortion has gone through.
  for (const attempt of attempts) if (attempt.outcome === "pending") attempt.outcome = "superseded";
  return answer;
}

/** Undefined where nobody is left, or no time. */
async function askInTurn<Request, Whole extends WholeAnswer>(
  journey: Journey<Request, Whole>,
  call: Call,
): Promise<Answer<Whole> | undefined> {
  for (let member = journey.left.shift(); member; member = journey.left.shift()) {
    const answer = await askMember(member, journey, call);
    if (answer) return answer;
  }
  return undefined;
}

/** A provider's attempt and, where it is worth it, its second one. Undefined where the next provider is to be asked. */
async function askMember<Request, Whole extends WholeAnswer>(
  { provider, breaker, offer }: Member<Request, Answer<Whole>>,
  journey: Journey<Request, Whole>,
  call: Call,
): Promise<Answer<Whole> | undefined> {
  const { operation, request, asked } = journey;
  for (let isRetry = false; ; isRetry = true) {
    const shareMs = shareOfTime(provider, journey, call);
    if (shareMs <= 0) return undefined;
    const permit = breaker.take(asked);
    if (!permit) {
      leaveOut(provider, journey);
      if (!isRetry) call.record.attempts.push({ provider: provider.name, outcome: "breaker_open", durationMs: 0 });
      return undefined;
    }
    const shareEndsMs = Date.now() + shareMs;
    const hasOthers = isAnybodyElseLeft(provider, journey);
    const turn = { operation, provider: provider.name, offer, permit, request, call, hasOthers, shareEndsMs };
    const outcome = await attempt(turn);
    if ("answer" in outcome) {
      const { answer } = outcome;
      if (isStream(answer) || !answer.hasGap) return answer;
      journey.lastResort ??= answer;
      return undefined;
    }
    const delayMs = isRetry ? undefined : affordableDelayMs(outcome, provider, journey, call);
    // What one more try may mend does not count yet.
    if (delayMs === undefined) permit.fail(outcome.fault);
    else permit.release();
    if (outcome.failure.failure.reason !== "unimplemented") leaveOut(provider, journey);
    if (isForCaller(outcome.failure, journey)) {
      if (!journey.lastResort) throw toGatewayError(firstWord(journey, offer, outcome.failure));
      journey.left.length = 0;
      return undefined;
    }
    journey.first = firstWord(journey, offer, outcome.failure);
    if (delayMs === undefined) return undefined;
    await pause(delayMs, call.signal);
  }
}

/** What the caller is told when all fail. That somebody lacks an operation is not worth telling where another stood in for him. */
function firstWord(
  { first }: { readonly first?: UpstreamFailure },
  { standsIn }: { readonly standsIn?: true },
  failure: UpstreamFailure,
): UpstreamFailure {
  return first && !(standsIn && first.failure.reason === "unimplemented") ? first : failure;
}

/** How long to wait before the same provider is asked again; undefined where that is not worth it, or there is no time or budget for it. */
function affordableDelayMs<Request, Whole extends WholeAnswer>(
  { failure, hasBegun }: Failed,
  provider: Provider,
  journey: Journey<Request, Whole>,
  call: Call,
): number | undefined {
  const mayRetry = !hasBegun && (journey.operation.mayRetry || isNotBegun(failure));
  const delayMs = mayRetry ? retryDelayMs(failure) : undefined;
  if (delayMs === undefined || delayMs >= shareOfTime(provider, journey, call)) return undefined;
  if (journey.chain.retries.spend()) {
    journey.isRetried = true;
    return delayMs;
  }
  journey.isOverBudget = true;
  return undefined;
}

/** How long an attempt may take now, in milliseconds. */
function shareOfTime<Request, Whole extends WholeAnswer>(
  provider: Provider,
  journey: Journey<Request, Whole>,
  { deadlineMs }: Call,
): number {
  return (deadlineMs - Date.now()) * (isAnybodyElseLeft(provider, journey) ? shareWithOthers : 1);
}

/** Whether another provider is left that may be asked now. */
function isAnybodyElseLeft<Request, Whole extends WholeAnswer>(
  provider: Provider,
  { left, asked }: Journey<Request, Whole>,
): boolean {
  return left.some((member) => member.provider !== provider && member.breaker.waitMs(asked) === 0);
}

/** A provider that has failed at what it has does not stand in for itself: it would be asked twice for what may be under way. */
function leaveOut<Request, Whole extends WholeAnswer>(provider: Provider, { left }: Journey<Request, Whole>): void {
  const at = left.findIndex((member) => member.provider === provider);
  if (at >= 0) left.splice(at, 1);
}

/** A later provider's refusal may be its own peculiarity, such as a prefill that it does not take: another one is asked. */
function isForCaller({ failure }: UpstreamFailure, { first }: { readonly first?: UpstreamFailure }): boolean {
  return verdictOn(failure).leadsTo === "caller" && !(first && failure.reason === "invalid_request");
}
