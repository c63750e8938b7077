import { DurableObject } from "cloudflare:workers";
import type { Page } from "../page.ts";
import { dayMs } from "../periods.ts";
import type { QuotaType } from "../policy.ts";
import type { Statistics, Transaction } from "../reports.ts";
import type { Entry } from "./entry.ts";
import { createTables, type SumsQuery, type SumsRow } from "./tables.ts";

/** Between two steps of forgetting, so that others are served meanwhile. */
const betweenStepsMs = 1_000;

/**
 * What a tenant has used: an object of this class for each. What it says is written has been written for good. What is older
 * than the settings say is forgotten once a day, step by step.
 */
export class Ledger extends DurableObject {
  private readonly tables = createTables(this.ctx.storage);
  private keptDays = this.ctx.storage.kv.get<number>("keptDays");
  private hasAlarm = false;

  /** Writes entries, each once however often it comes. All of them or none. */
  async write(entries: readonly Entry[], keptDays: number): Promise<void> {
    this.tables.write(entries);
    if (keptDays !== this.keptDays) this.ctx.storage.kv.put("keptDays", keptDays);
    this.keptDays = keptDays;
    if (this.hasAlarm) return;
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + dayMs);
    this.hasAlarm = true;
  }

  transactions(user: string, page: Page, period: QuotaType): readonly Transaction[] {
    return this.tables.transactions(user, page, period);
  }

  statistics(user: string): Statistics {
    return this.tables.statistics(user);
  }

  sums(query: SumsQuery): readonly SumsRow[] {
    return this.tables.sums(query);
  }

  override async alarm(): Promise<void> {
    this.hasAlarm = false;
    if (this.keptDays === undefined) return;
    const isMore = this.tables.forgetBefore(Date.now() - this.keptDays * dayMs);
    if (isMore) await this.ctx.storage.setAlarm(Date.now() + betweenStepsMs);
    else if (!this.tables.isEmpty()) await this.ctx.storage.setAlarm(Date.now() + dayMs);
  }
}

/** The tenants of whom there is a ledger: one object of this class knows them all. */
export class LedgerTenants extends DurableObject {
  /** A tenant is known for good: what is forgotten of him is in his ledger. */
  note(tenant: string): void {
    this.ctx.storage.kv.put(tenant, true);
  }

  /** In their order, at most so many. */
  list(limit: number): string[] {
    return [...this.ctx.storage.kv.list({ limit })].map(([tenant]) => tenant);
  }
}
