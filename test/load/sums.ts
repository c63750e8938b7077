import { parsedEventsIn } from "../support/event-stream.ts";
import { at } from "../support/json.ts";
import type { Written } from "./books.ts";
import type { Kept } from "./outcome.ts";
import type { Judged } from "./requests.ts";
import type { Report } from "./upstream.ts";

/** What is known of what was used, from both sides. */
export interface Sides {
  readonly entries: readonly Written[];
  /** The gateway's own sums of what was charged, by provider. */
  readonly byProvider: ReadonlyMap<string, number>;
  /** What the back ends said; no two answers take the same. */
  readonly said: Report["said"];
}

const providers = ["primary", "secondary"];

/**
 * Whether the ledger is what the back ends have said and the callers have got, to the token. What nobody said is estimated:
 * it is told apart, and of it is known only that it adds up.
 */
export function judgeSums(
  answers: readonly Judged[],
  { entries, byProvider, said }: Sides,
): { readonly found: readonly string[]; readonly promises: readonly Kept[] } {
  const charged = entries.filter(({ isCharged }) => isCharged);
  const [exact, estimated] = [false, true].map((is) => charged.filter(({ isEstimated }) => isEstimated === is));
  if (!exact || !estimated) throw new Error("no entries");
  const saidOf = ({ upstreamRequestId, provider }: Written) => {
    const answer = said[upstreamRequestId];
    return answer?.provider === provider ? answer.tokens : 0;
  };
  const sums = providers.map((provider) => {
    const sumOf = (of: readonly Written[], tokensOf: (entry: Written) => number) =>
      of.reduce((sum, entry) => sum + (entry.provider === provider ? tokensOf(entry) : 0), 0);
    return {
      provider,
      ledger: byProvider.get(provider) ?? 0,
      said: sumOf(exact, saidOf),
      estimated: sumOf(estimated, ({ tokens }) => tokens),
    };
  });
  const byRequest = Map.groupBy(entries, ({ requestId }) => requestId);
  const entriesOf = ({ answered }: Judged) => byRequest.get(String(answered?.headers["x-request-id"])) ?? [];
  const right = answers.filter(({ verdict }) => verdict === "right");
  const refused = answers.filter(({ verdict }) => verdict === "refused");
  const upstreamIds = new Set(charged.map(({ upstreamRequestId }) => upstreamRequestId));
  return {
    found: [
      ...sums.map((of) => `${of.provider}: ${of.ledger} in the ledger, ${of.said} said and ${of.estimated} estimated`),
      `${exact.length} charged as said, ${estimated.length} estimated: ${countBy(estimated, ({ outcome }) => outcome)}`,
      `${countOf(answers, "superseded")} hedged, ${answers.filter(({ attempts }) => attempts.length > 1).length} with several attempts`,
    ],
    promises: [
      {
        promise: "the ledger's sums are the back ends', to the token",
        isKept: sums.every(({ ledger, said, estimated }) => said > 0 && ledger === said + estimated),
      },
      { promise: "each entry is what its back end said", isKept: exact.every((each) => each.tokens === saidOf(each)) },
      { promise: "no back end's answer is charged twice", isKept: upstreamIds.size === charged.length },
      {
        promise: "each answer has its one entry, and is charged where a back end was asked for it",
        isKept: right.every((each) => entriesOf(each).length === 1 && isWrittenAsGot(each, entriesOf(each))),
      },
      { promise: "none is charged for nothing", isKept: refused.every((each) => entriesOf(each).length === 0) },
    ],
  };
}

/** Whether the entry says what the caller was told: who answered, whether it was asked for him, and what it took. */
function isWrittenAsGot({ asked, answered }: Judged, [entry]: readonly Written[]): boolean {
  if (!answered || !entry) return false;
  const { headers, body } = answered;
  const isFree = ["HIT", "STALE", "COALESCED"].includes(String(headers["x-cache"])) || "idempotent-replayed" in headers;
  if (entry.isCharged === isFree || entry.provider !== headers["x-qingyu-provider"]) return false;
  if (asked.rpc) return true;
  const told = usageIn(body, asked.delivery === "plain");
  return told === undefined ? isFree || entry.isEstimated : entry.tokens === told && !entry.isEstimated;
}

/** What an answer of chat says that it took; undefined where it does not say. */
function usageIn(body: string, isPlain: boolean): unknown {
  const told = isPlain ? [JSON.parse(body)] : parsedEventsIn(body);
  return told.map((data) => at(data, "usage", "total_tokens")).findLast((tokens) => tokens !== undefined);
}

const countOf = (answers: readonly Judged[], word: string) =>
  answers.filter(({ attempts }) => attempts.some((attempt) => attempt.endsWith(`:${word}`))).length;

function countBy<T>(all: readonly T[], nameOf: (each: T) => string): string {
  return [...Map.groupBy(all, nameOf)].map(([name, { length }]) => `${length} ${name}`).join(", ");
}
