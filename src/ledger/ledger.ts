import type { Spent } from "../metered.ts";
import type { ModelPrice } from "../price.ts";
import type { Reports } from "../reports.ts";
import type { Call } from "../upstream.ts";
import type { AnswerEnd } from "../watched.ts";
import { chargedEntry, type Entry, freeEntry } from "./entry.ts";
import type { Ledger, LedgerTenants } from "./ledger-object.ts";
import { createQueue, type QueueLimits, queueLimits } from "./queue.ts";
import { createReports } from "./reports.ts";

/** Where it is written who used what, and read again. */
export interface Books extends Reports {
  /** What a question to the providers has taken, if it has. */
  charge(call: Call, operation: string, spent: Spent): void;
  /** An answered request; it is written here only where nobody had to be asked for it. */
  noteAnswered(call: Call, operation: string, end: AnswerEnd): void;
}

export interface LedgerOptions {
  readonly ledgers: DurableObjectNamespace<Ledger>;
  readonly tenants: DurableObjectNamespace<LedgerTenants>;
  readonly prices: readonly ModelPrice[];
  readonly keptDays: number;
  readonly limits?: QueueLimits;
}

/** The ledger as an isolate sees it: it writes behind the answers, each entry once. */
export function createLedger({ ledgers, tenants, prices, keptDays, limits = queueLimits }: LedgerOptions): Books {
  const ledgerOf = (tenant: string) => ledgers.get(ledgers.idFromName(tenant));
  const directory = () => tenants.get(tenants.idFromName("all"));
  const noted = new Set<string>();
  const queue = createQueue({
    ...limits,
    async write(tenant, entries) {
      // First, so that no tenant has a ledger that an operator does not find.
      if (!noted.has(tenant)) await directory().note(tenant);
      noted.add(tenant);
      await ledgerOf(tenant).write(entries, keptDays);
    },
  });
  const add = ({ caller, waitUntil }: Call, entry: Entry | undefined) => {
    if (entry) queue.add(caller.tenant, entry, waitUntil);
  };
  return {
    charge: (call, operation, spent) => add(call, chargedEntry(call, operation, spent, prices)),
    noteAnswered: (call, operation, end) => add(call, freeEntry(call, operation, end)),
    ...createReports({ ledgerOf, tenants: async (limit) => await directory().list(limit) }),
  };
}
