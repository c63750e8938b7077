import type { Sentence } from "../error-sentences.ts";
import { GatewayError } from "../errors.ts";
import { dateOf } from "../periods.ts";
import type { Amount } from "../price.ts";
import type { Reports, UsageGroup, UsageGrouping, UsageQuery } from "../reports.ts";
import { answerWithin } from "../waiting.ts";
import type { Ledger } from "./ledger-object.ts";
import type { SumsRow } from "./tables.ts";

export interface ReportsOptions {
  readonly ledgerOf: (tenant: string) => DurableObjectStub<Ledger>;
  /** The tenants that there are, at most so many. */
  readonly tenants: (limit: number) => Promise<readonly string[]>;
}

/** How long an object may take to say what it knows. */
const saidWithinMs = 10_000;
/** An answer has no more groups, and asks no more tenants: what is more is refused and not cut off. */
const maxGroups = 10_000;
const maxTenants = 100;
/** So many are asked at once. */
const tenantsAtOnce = 10;

/** Reads what the objects have written. */
export function createReports({ ledgerOf, tenants }: ReportsOptions): Reports {
  return {
    transactions: ({ tenant, user }, page, period) => said(() => ledgerOf(tenant).transactions(user, page, period)),
    statistics: ({ tenant, user }) => said(() => ledgerOf(tenant).statistics(user)),
    async usage(query) {
      const asked = query.tenant === undefined ? await said(() => tenants(maxTenants + 1)) : [query.tenant];
      if (asked.length > maxTenants)
        throw tooMuch("too_many_tenants", "There are too many tenants: name one.", "tenant");
      const groups = new Map<string, Draft>();
      for (let from = 0; from < asked.length; from += tenantsAtOnce) {
        const some = asked.slice(from, from + tenantsAtOnce);
        const rows = await Promise.all(some.map((tenant) => said(() => ledgerOf(tenant).sums(ownQuery(query)))));
        for (const [index, tenant] of some.entries()) {
          for (const row of rows[index] ?? []) add(groups, query.groups, row, tenant);
          if (groups.size > maxGroups || (rows[index]?.length ?? 0) > maxRows) {
            throw tooMuch(
              "too_many_groups",
              "There are too many groups: ask for fewer days, or tell less apart.",
              "group",
            );
          }
        }
      }
      return [...groups.values()].map(finished);
    },
  };
}

/** Where nothing is written nothing can be read. */
export const noReports: Reports = {
  transactions: () => Promise.reject(unavailable()),
  statistics: () => Promise.reject(unavailable()),
  usage: () => Promise.reject(unavailable()),
};

/** A group has a row for each of its currencies. */
const maxRows = 2 * maxGroups;

function ownQuery({ fromDay, toDay, groups }: UsageQuery) {
  return { fromDay, toDay, groups: groups.filter((name) => name !== "tenant"), limit: maxRows + 1 };
}

async function said<T>(question: () => PromiseLike<T>): Promise<T> {
  return await answerWithin((async () => await question())(), saidWithinMs, unavailable);
}

function unavailable(cause?: unknown): GatewayError {
  return new GatewayError("upstream_unavailable", "The ledger does not answer now.", {
    code: "ledger_unavailable",
    cause,
  });
}

function tooMuch(code: string, sentence: Sentence, param: string): GatewayError {
  return new GatewayError("invalid_request", sentence, { code, param });
}

type Sums = { -readonly [Name in Exclude<keyof UsageGroup, "by" | "costs">]: UsageGroup[Name] };
interface Draft extends Sums {
  readonly by: UsageGroup["by"];
  readonly costs: Map<string, { micros: number; picos: number }>;
}

function add(groups: Map<string, Draft>, names: readonly UsageGrouping[], row: SumsRow, tenant: string): void {
  const by = Object.fromEntries(names.map((name) => [name, name === "tenant" ? tenant : wordFor(name, row[name])]));
  const group = groups.getOrInsertComputed(JSON.stringify(by), () => ({ by, ...nothing, costs: new Map() }));
  group.requests += row.requests;
  group.charged += row.charged;
  group.estimated += row.estimated;
  group.unpriced += row.unpriced;
  group.promptTokens += row.prompt;
  group.cachedTokens += row.cached;
  group.completionTokens += row.completion;
  group.reasoningTokens += row.reasoning;
  group.totalTokens += row.total;
  group.savedTokens += row.saved;
  if (row.currency === "") return;
  const cost = group.costs.getOrInsertComputed(row.currency, () => ({ micros: 0, picos: 0 }));
  cost.micros += row.micros;
  cost.picos += row.picos;
}

const nothing: Sums = {
  requests: 0,
  charged: 0,
  estimated: 0,
  unpriced: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
  totalTokens: 0,
  savedTokens: 0,
};

const million = 1_000_000;

function wordFor(name: UsageGrouping, value: string | number | undefined): string {
  if (name === "day") return dateOf(Number(value));
  return String(value ?? "");
}

function finished({ by, costs, ...sums }: Draft): UsageGroup {
  const amounts: Amount[] = [...costs].map(([currency, { micros, picos }]) => ({
    currency,
    micros: micros + Math.floor(picos / million),
    picos: picos % million,
  }));
  return { by, ...sums, costs: amounts.toSorted((a, b) => (a.currency < b.currency ? -1 : 1)) };
}
