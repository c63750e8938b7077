import type { Caller } from "../caller.ts";
import { GatewayError, modelNotFound } from "../errors.ts";
import type { Spent } from "../metered.ts";
import type { Answer, Operation, WholeAnswer } from "../operation.ts";
import type { Policy } from "../policy.ts";
import { logWarning } from "../telemetry/log.ts";
import type { Call, Upstream } from "../upstream.ts";
import { type Accounts, limitsUnavailable } from "./accounts.ts";
import type { Verdict } from "./books.ts";
import { type CostOf, takenOf } from "./cost.ts";
import { type Limit, mayUse } from "./holders.ts";
import { refused, tooFast } from "./refusals.ts";

/** What the wrappers of all operations share. */
export interface Limiting {
  /** Whose limits hold for a caller; undefined where there are none. */
  readonly limitOf: (caller: Caller) => Limit | undefined;
  readonly accounts: Accounts;
  /** Stops a flood before it gets to an account; absent where none is bound. */
  readonly gate?: RateLimit;
  readonly onUnreachable: "refuse" | "allow";
  readonly costOf: CostOf;
}

/** How much longer than its deadline a request may take to say what it has taken. */
const graceMs = 60_000;

/**
 * Holds callers to their limits: what a request may take is asked for before anything else is, and what it has taken is said
 * when its answer has ended, behind it. Who has no limits is passed on at once. Throws a `GatewayError`: `rate_limited`, a
 * quota's kinds, `not_found` for a model that is not for him, and `upstream_unavailable` where his account is out of reach
 * and the settings do not let him through all the same.
 *
 * `modelOf` says which model a request leads to; empty where it leads to none that can be chosen.
 */
export function limited<Request, Whole extends WholeAnswer>(
  operation: Operation<Request, Whole>,
  upstream: Upstream<Request, Answer<Whole>>,
  modelOf: (request: Request) => string,
  limiting: Limiting,
): Upstream<Request, Answer<Whole>> {
  const { limitOf, accounts, gate, onUnreachable, costOf } = limiting;
  const charge = createCharging(limiting);

  /** Undefined where the account is out of reach. */
  async function reserve(id: string, request: Request, limit: Limit, call: Call): Promise<Verdict | undefined> {
    const { policy, account, user } = limit;
    const { promptTokens, completionTokens, isGuess } = operation.estimate(request);
    const tokens = promptTokens + completionTokens;
    const usage = { totalTokens: tokens, split: { promptTokens, completionTokens } };
    const cost = policy.costPerMonth === undefined || tokens === 0 ? 0 : costOf(modelOf(request), usage);
    if (cost === undefined) throw withoutPrice();
    const ask = { policy, user, tokens, isGuess, cost, endsMs: call.deadlineMs + graceMs };
    try {
      return await accounts.reserve(account, id, ask, call.waitUntil);
    } catch {
      logWarning("limits_unreachable", { requestId: call.requestId, outcome: onUnreachable });
      return undefined;
    }
  }

  return async (request, call) => {
    const limit = limitOf(call.caller);
    if (!limit) return await upstream(request, call);
    const { policy, account } = limit;
    const model = modelOf(request);
    if (model !== "" && !mayUse(policy, model)) throw modelNotFound("model");
    if (!isCounted(policy)) return await upstream(request, call);
    if (gate && !(await mayPass(gate, account))) throw tooFast();

    const id = crypto.randomUUID();
    const startedAtMs = Date.now();
    const verdict = await reserve(id, request, limit, call);
    if (!verdict) call.record.limits = { unreachable: onUnreachable };
    else if ("refusal" in verdict) {
      call.record.limits = { ...verdict.standing, refusal: verdict.refusal };
      throw refused(verdict, limit);
    } else call.record.limits = verdict.standing;
    if (!verdict && onUnreachable === "refuse") throw limitsUnavailable();

    const spending: Promise<Spent>[] = [];
    let isSettled = false;
    const settle = async () => {
      await call.record.ended;
      isSettled = true;
      const taken = takenOf(await Promise.all(spending), verdict?.held.cost ?? 0, costOf);
      await accounts.settle(account, id, verdict ? taken : { ...taken, unaskedAtMs: startedAtMs });
    };
    const onAsked = (spent: Promise<Spent>) => {
      // What is kept is refreshed behind an answer that may have ended before.
      if (isSettled) call.waitUntil(charge(call.caller, spent, startedAtMs));
      else spending.push(spent);
    };
    call.waitUntil(settle());
    return await upstream(request, { ...call, onAsked });
  };
}

/** Charges a caller for what goes on when the request in which he was let in has ended. Never throws. */
export type Charging = (caller: Caller, spent: Promise<Spent>, startedAtMs: number) => Promise<void>;

/** Charges by the limits that hold for a caller; nothing where there are none. */
export function createCharging({
  limitOf,
  accounts,
  costOf,
}: Pick<Limiting, "limitOf" | "accounts" | "costOf">): Charging {
  return async (caller, spent, startedAtMs) => {
    const limit = limitOf(caller);
    if (!limit || !isCounted(limit.policy)) return;
    const taken = takenOf([await spent], 0, costOf);
    await accounts.settle(limit.account, crypto.randomUUID(), { ...taken, unaskedAtMs: startedAtMs });
  };
}

function isCounted({ requestsPerMinute, concurrent, tokensPerDay, costPerMonth }: Policy): boolean {
  return [requestsPerMinute, concurrent, tokensPerDay, costPerMonth].some((limit) => limit !== undefined);
}

/** A gate that fails stops nobody. */
async function mayPass(gate: RateLimit, key: string): Promise<boolean> {
  try {
    return (await gate.limit({ key })).success;
  } catch {
    return true;
  }
}

/** What nobody knows the cost of cannot be held to a limit of cost. */
function withoutPrice(): GatewayError {
  return new GatewayError("permission_denied", "The model has no price here, and your limits are in money.", {
    code: "model_without_price",
    param: "model",
  });
}
