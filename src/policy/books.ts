import { endOfDayMs, endOfMonthMs, startOfDayMs, startOfMonthMs } from "../periods.ts";
import type { Policy, Quota, QuotaType } from "../policy.ts";
import type { Left } from "../record.ts";

/*
 * The books of one account as plain data, and what is done with them as functions of the books and the time, which change
 * them only where they say so. An `Account` keeps them.
 */

/** What has been counted. All times are Unix milliseconds. */
export interface Books {
  readonly createdAtMs: number;
  updatedAtMs: number;
  lastConsumedAtMs?: number;
  /** Requests that were let in, by the second, no older than a minute. */
  requests: [second: number, count: number][];
  /** Tokens and cost by the day and the month that are named; of any other there are none. */
  day: Counted;
  month: Counted;
  tokensEver: number;
  consumptions: number;
  /** The limits that held last, for who asks how the account stands and does not have them. */
  policy?: Policy;
  /** An administrator's word in the place of the policy's `tokensPerDay`. */
  grant?: Grant;
  /** The users who may take nothing. */
  suspended: string[];
}

interface Counted {
  startMs: number;
  tokens: number;
  cost: number;
}

export interface Grant {
  readonly total: number;
  readonly type: QuotaType;
}

/** What a request under way may still take. */
export interface Held {
  readonly tokens: number;
  readonly cost: number;
  /** When it was let in: what it takes belongs to that day and month. */
  readonly atMs: number;
  /** When it holds nothing any more: whoever was to settle it is gone. */
  readonly endsMs: number;
  /** What it has taken was counted, or nobody was there to say it in time. */
  readonly state?: "settled" | "lost";
}

/** What somebody asks to take. */
export interface Ask {
  readonly policy: Policy;
  /** The user on whose behalf, where there is one. */
  readonly user?: string;
  /** What it may come to: most that it can, or a guess that may be cut to what is left. */
  readonly tokens: number;
  readonly isGuess: boolean;
  readonly cost: number;
  readonly endsMs: number;
}

/** `held`: what is under way leaves no room, and there may be some when it has ended. */
export type Refusal = "suspended" | "concurrent" | "requests" | "held" | "tokens" | "cost";

/** How much is left, as it stands after what has just been asked for. */
export interface Standing {
  readonly requests?: Left;
  readonly tokens?: Left;
}

export type Verdict =
  | { readonly held: Held; readonly standing: Standing }
  | { readonly refusal: Refusal; readonly retryAfterMs?: number; readonly standing: Standing };

const windowSeconds = 60;
/** When to ask again for what requests under way may still take: many have ended by then. */
const heldMs = 2_000;

export function emptyBooks(nowMs: number): Books {
  const nothing = { tokens: 0, cost: 0 };
  return {
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    requests: [],
    day: { startMs: startOfDayMs(nowMs), ...nothing },
    month: { startMs: startOfMonthMs(nowMs), ...nothing },
    tokensEver: 0,
    consumptions: 0,
    suspended: [],
  };
}

/** Lets a request in or not. Where it does, the books have counted the request; what is `held` is the account's to keep. */
export function admit(books: Books, held: readonly Held[], ask: Ask, nowMs: number): Verdict {
  turnOver(books, nowMs);
  const { policy, user } = ask;
  books.policy = policy;
  const refused = (refusal: Refusal, retryAfterMs?: number): Verdict => ({
    refusal,
    retryAfterMs,
    standing: standing(books, held, nowMs),
  });
  if (user !== undefined && books.suspended.includes(user)) return refused("suspended");
  const live = held.filter(({ endsMs }) => endsMs > nowMs);
  if (policy.concurrent !== undefined && live.length >= policy.concurrent) return refused("concurrent");
  if (policy.requestsPerMinute !== undefined && requestsIn(books) >= policy.requestsPerMinute) {
    return refused("requests", untilOneIsFree(books, nowMs));
  }
  const left = tokensLeft(books, live, nowMs);
  const tokens = roomFor(ask.tokens, left.tokens, ask);
  if (tokens === undefined) {
    const isHeld = roomFor(ask.tokens, tokensLeft(books, [], nowMs).tokens, ask) !== undefined;
    return isHeld ? refused("held", heldMs) : refused("tokens", left.resetMs);
  }
  const cost = roomFor(ask.cost, costLeftIn(books, live), ask);
  if (cost === undefined) {
    const isHeld = roomFor(ask.cost, costLeftIn(books, []), ask) !== undefined;
    return isHeld ? refused("held", heldMs) : refused("cost", endOfMonthMs(nowMs) - nowMs);
  }
  countRequest(books, nowMs);
  const mine: Held = { tokens, cost, atMs: nowMs, endsMs: ask.endsMs };
  return { held: mine, standing: standing(books, [...live, mine], nowMs) };
}

/** What is set aside of what is left; undefined where that does not suffice. What takes nothing is free. */
function roomFor(amount: number, left: number, { isGuess }: Ask): number | undefined {
  if (isGuess && left > 0) return Math.min(amount, left);
  return amount > Math.max(0, left) ? undefined : amount;
}

/** Counts what a request has taken, on the day and in the month in which it was let in. */
export function count(
  books: Books,
  { tokens, cost, atMs }: Pick<Held, "tokens" | "cost" | "atMs">,
  nowMs: number,
): void {
  turnOver(books, nowMs);
  if (tokens === 0 && cost === 0) return;
  for (const counted of [books.day, books.month]) {
    if (atMs < counted.startMs) continue;
    counted.tokens += tokens;
    counted.cost += cost;
  }
  books.tokensEver += tokens;
  books.consumptions++;
  books.lastConsumedAtMs = nowMs;
  books.updatedAtMs = nowMs;
}

/** How the account's tokens stand; `user` is asked about. */
export function quotaIn(books: Books, user: string | undefined, nowMs: number): Quota {
  turnOver(books, nowMs);
  const { createdAtMs, updatedAtMs, lastConsumedAtMs, consumptions, tokensEver, suspended } = books;
  const { total, type } = limitOf(books);
  const used = usedOf(books, type);
  const isSuspended = user !== undefined && suspended.includes(user);
  const isExhausted = total !== undefined && used >= total;
  return {
    type,
    total,
    used,
    remaining: total === undefined ? undefined : Math.max(0, total - used),
    status: isSuspended ? "suspended" : isExhausted ? "exhausted" : "active",
    resetAtMs: resetOf(type, nowMs),
    createdAtMs,
    updatedAtMs,
    lastConsumedAtMs,
    consumptions,
    tokensEver,
  };
}

/** What is of another day, month or minute counts no more. */
function turnOver(books: Books, nowMs: number): void {
  const [dayMs, monthMs] = [startOfDayMs(nowMs), startOfMonthMs(nowMs)];
  // A clock that goes back a little does not begin a day anew.
  if (dayMs > books.day.startMs) books.day = { startMs: dayMs, tokens: 0, cost: 0 };
  if (monthMs > books.month.startMs) books.month = { startMs: monthMs, tokens: 0, cost: 0 };
  const oldest = secondOf(nowMs) - windowSeconds;
  books.requests = books.requests.filter(([second]) => second >= oldest);
}

const secondOf = (timeMs: number) => Math.floor(timeMs / 1000);

function requestsIn({ requests }: Books): number {
  return requests.reduce((sum, [, count]) => sum + count, 0);
}

function countRequest(books: Books, nowMs: number): void {
  if (books.policy?.requestsPerMinute === undefined) return;
  const second = secondOf(nowMs);
  const last = books.requests.at(-1);
  if (last && last[0] >= second) last[1]++;
  else books.requests.push([second, 1]);
}

/** A second is let go of as a whole, once its last millisecond is a minute old. */
const goneAtMs = (second: number) => (second + windowSeconds + 1) * 1000;

function untilOneIsFree({ requests }: Books, nowMs: number): number {
  const [oldest] = requests;
  return oldest ? Math.max(1, goneAtMs(oldest[0]) - nowMs) : windowSeconds * 1000;
}

function limitOf({ grant, policy }: Books): { readonly total?: number; readonly type: QuotaType } {
  return grant ?? { total: policy?.tokensPerDay, type: "daily" };
}

function usedOf({ day, month, tokensEver }: Books, type: QuotaType): number {
  return { daily: day.tokens, monthly: month.tokens, total: tokensEver }[type];
}

function resetOf(type: QuotaType, nowMs: number): number | undefined {
  return { daily: endOfDayMs(nowMs), monthly: endOfMonthMs(nowMs), total: undefined }[type];
}

/** What nobody has taken or may still take. */
function tokensLeft(books: Books, live: readonly Held[], nowMs: number): { tokens: number; resetMs?: number } {
  const { total = Number.POSITIVE_INFINITY, type } = limitOf(books);
  const sinceMs = { daily: books.day.startMs, monthly: books.month.startMs, total: 0 }[type];
  const held = live.reduce((sum, { tokens, atMs }) => sum + (atMs >= sinceMs ? tokens : 0), 0);
  const resetAtMs = resetOf(type, nowMs);
  return { tokens: total - usedOf(books, type) - held, resetMs: resetAtMs && resetAtMs - nowMs };
}

function costLeftIn({ policy, month }: Books, live: readonly Held[]): number {
  const held = live.reduce((sum, { cost, atMs }) => sum + (atMs >= month.startMs ? cost : 0), 0);
  return (policy?.costPerMonth ?? Number.POSITIVE_INFINITY) - month.cost - held;
}

/** How much is left of what is limited. */
export function standing(books: Books, held: readonly Held[], nowMs: number): Standing {
  const { requestsPerMinute } = books.policy ?? {};
  const { total } = limitOf(books);
  const live = held.filter(({ endsMs }) => endsMs > nowMs);
  const newest = books.requests.at(-1);
  const tokens = tokensLeft(books, live, nowMs);
  return {
    requests:
      requestsPerMinute === undefined
        ? undefined
        : {
            limit: requestsPerMinute,
            remaining: Math.max(0, requestsPerMinute - requestsIn(books)),
            resetMs: newest ? Math.max(0, goneAtMs(newest[0]) - nowMs) : 0,
          },
    tokens:
      total === undefined
        ? undefined
        : { limit: total, remaining: Math.max(0, tokens.tokens), resetMs: tokens.resetMs },
  };
}
