import type { Page } from "../page.ts";
import { dayOf, startOfDayMs, startOfMonthMs } from "../periods.ts";
import type { QuotaType } from "../policy.ts";
import type { Statistics, Transaction, UsageGrouping } from "../reports.ts";
import type { Entry } from "./entry.ts";

/** What one ledger keeps: its entries, and by day the sums of those that have all in common but the time. */
export interface Tables {
  /** Writes entries, those that are there already not again, all or none. */
  write(entries: readonly Entry[]): void;
  /** Forgets what is older, a part of it. Whether more of it is there. */
  forgetBefore(beforeMs: number): boolean;
  isEmpty(): boolean;
  transactions(user: string, page: Page, period: QuotaType): readonly Transaction[];
  statistics(user: string): Statistics;
  sums(query: SumsQuery): readonly SumsRow[];
}

/** What a tenant's own ledger can tell apart. */
type Grouping = Exclude<UsageGrouping, "tenant">;

export interface SumsQuery {
  readonly fromDay: number;
  readonly toDay: number;
  readonly groups: readonly Grouping[];
  readonly limit: number;
}

/** A group's sums in one currency; the currency is empty where nothing was paid or no price is known. */
export type SumsRow = { readonly [Name in Grouping]?: string | number } & { readonly [Sum in SumName]: number } & {
  readonly currency: string;
};
type SumName = (typeof sumNames)[number];

/** When a period began, in Unix milliseconds; days and months are those of UTC. */
function startOf(period: QuotaType, atMs: number): number {
  if (period === "total") return 0;
  return period === "daily" ? startOfDayMs(atMs) : startOfMonthMs(atMs);
}

const sumNames = [
  "requests",
  "charged",
  "estimated",
  "unpriced",
  "prompt",
  "cached",
  "completion",
  "reasoning",
  "total",
  "saved",
  "micros",
  "picos",
] as const;
const keys = ["day", "user", "model", "provider", "operation", "currency"] as const;

/** So many rows go at once, so that nobody waits long for the object meanwhile. */
const forgottenAtOnce = 1_000;

const schema = `
CREATE TABLE IF NOT EXISTS entries (
  id TEXT PRIMARY KEY, at INTEGER NOT NULL, request_id TEXT NOT NULL, upstream_request_id TEXT,
  user TEXT NOT NULL, key_id TEXT, operation TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
  source TEXT NOT NULL, outcome TEXT NOT NULL, estimated INTEGER NOT NULL,
  prompt INTEGER, cached INTEGER, completion INTEGER, reasoning INTEGER, total INTEGER,
  currency TEXT, micros INTEGER, picos INTEGER
);
CREATE INDEX IF NOT EXISTS entries_by_time ON entries (at);
CREATE INDEX IF NOT EXISTS entries_by_user ON entries (user, at, id) WHERE source = 'provider';
CREATE TABLE IF NOT EXISTS days (
  day INTEGER NOT NULL, user TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, operation TEXT NOT NULL,
  currency TEXT NOT NULL, ${sumNames.map((name) => `${name} INTEGER NOT NULL`).join(", ")},
  PRIMARY KEY (${keys.join(", ")})
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS days_by_user ON days (user, day);
`;

const columns = [
  ...["id", "at", "request_id", "upstream_request_id", "user", "key_id", "operation", "model", "provider", "source"],
  ...["outcome", "estimated", "prompt", "cached", "completion", "reasoning", "total", "currency", "micros", "picos"],
];
const insertEntry = `INSERT OR IGNORE INTO entries (${columns.join(", ")}) VALUES (${marks(columns)}) RETURNING id`;
const addToDay = `INSERT INTO days (${[...keys, ...sumNames].join(", ")}) VALUES (${marks([...keys, ...sumNames])})
ON CONFLICT DO UPDATE SET ${sumNames.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`;

function marks(names: readonly unknown[]): string {
  return names.map(() => "?").join(", ");
}

/** What is added to days, by their keys. */
type Days = Map<string, { readonly key: readonly (string | number)[]; sums: readonly number[] }>;

export function createTables(storage: DurableObjectStorage): Tables {
  const { sql } = storage;
  sql.exec(schema);

  /** Writes an entry. What it adds to its day, which is written for all entries of a batch together, joins `days`. */
  function writeOne(entry: Entry, days: Days): void {
    const { id, atMs, requestId, upstreamRequestId, user = "", keyId, operation, model, provider, source } = entry;
    const { outcome, isEstimated, tokens, cost } = entry;
    const { prompt, cached, completion, reasoning, total } = tokens ?? {};
    const values = [
      ...[id, atMs, requestId, upstreamRequestId ?? null, user, keyId ?? null, operation, model, provider, source],
      ...[
        outcome,
        Number(isEstimated),
        ...[prompt, cached, completion, reasoning, total].map((value) => value ?? null),
      ],
      ...[cost?.currency ?? null, cost?.micros ?? null, cost?.picos ?? null],
    ];
    const isNew = sql.exec(insertEntry, ...values).toArray().length > 0;
    if (!isNew) return;
    const isCharged = source === "provider";
    const charged = (value: number | undefined) => (isCharged ? (value ?? 0) : 0);
    const sums: Readonly<Record<SumName, number>> = {
      requests: 1,
      charged: charged(1),
      estimated: charged(Number(isEstimated)),
      unpriced: charged(cost ? 0 : 1),
      prompt: charged(prompt),
      cached: charged(cached),
      completion: charged(completion),
      reasoning: charged(reasoning),
      total: charged(total),
      saved: isCharged ? 0 : (total ?? 0),
      micros: cost?.micros ?? 0,
      picos: cost?.picos ?? 0,
    };
    const key = [dayOf(atMs), user, model, provider, operation, cost?.currency ?? ""];
    const day = days.getOrInsertComputed(JSON.stringify(key), () => ({ key, sums: sumNames.map(() => 0) }));
    day.sums = sumNames.map((name, index) => sums[name] + (day.sums[index] ?? 0));
  }

  function writeAll(entries: readonly Entry[]): void {
    const days: Days = new Map();
    for (const entry of entries) writeOne(entry, days);
    for (const { key, sums } of days.values()) sql.exec(addToDay, ...key, ...sums);
  }

  /** What was charged to a user before an entry, since then. */
  function earlier(user: string, sinceMs: number, { at, id }: TransactionRow): number {
    const query = `SELECT coalesce(sum(total), 0) AS tokens FROM entries
      WHERE source = 'provider' AND user = ? AND at >= ? AND (at, id) < (?, ?)`;
    return sql.exec<{ tokens: number }>(query, user, sinceMs, at, id).one().tokens;
  }

  return {
    write: (entries) => storage.transactionSync(() => writeAll(entries)),
    forgetBefore(beforeMs) {
      const old = "SELECT rowid FROM entries WHERE at < ? ORDER BY at LIMIT ?";
      sql.exec(`DELETE FROM entries WHERE rowid IN (${old})`, beforeMs, forgottenAtOnce);
      sql.exec("DELETE FROM days WHERE day < ?", dayOf(beforeMs));
      return sql.exec("SELECT 1 FROM entries WHERE at < ? LIMIT 1", beforeMs).toArray().length > 0;
    },
    isEmpty: () => sql.exec("SELECT 1 FROM days LIMIT 1").toArray().length === 0,
    transactions(user, { limit, offset }, period) {
      const query = `SELECT id, at, operation, model, request_id, total, estimated FROM entries
        WHERE source = 'provider' AND user = ? ORDER BY at DESC, id DESC LIMIT ? OFFSET ?`;
      let earlierTokens = 0;
      let sinceMs: number | undefined;
      return sql
        .exec<TransactionRow>(query, user, limit, offset)
        .toArray()
        .map((row) => {
          const startMs = startOf(period, row.at);
          // The first one of a period is looked up; what the others found is less by their own than what the one after them did.
          earlierTokens = sinceMs === startMs ? earlierTokens - row.total : earlier(user, startMs, row);
          sinceMs = startMs;
          const { id, at, operation, model, request_id, total, estimated } = row;
          return {
            ...{ id, atMs: at, operation, model, requestId: request_id, tokens: total },
            ...{ isEstimated: estimated === 1, earlierTokens },
          };
        });
    },
    statistics(user) {
      const query = `SELECT operation, sum(charged) AS transactions, sum(total) AS tokens
        FROM days WHERE user = ? AND charged > 0 GROUP BY operation ORDER BY operation`;
      const rows = sql.exec<StatisticsRow>(query, user).toArray();
      const { days } = sql
        .exec<{ days: number }>("SELECT count(DISTINCT day) AS days FROM days WHERE user = ? AND charged > 0", user)
        .one();
      return {
        transactions: rows.reduce((sum, { transactions }) => sum + transactions, 0),
        tokens: rows.reduce((sum, { tokens }) => sum + tokens, 0),
        tokensByOperation: Object.fromEntries(rows.map(({ operation, tokens }) => [operation, tokens])),
        days,
      };
    },
    sums({ fromDay, toDay, groups, limit }) {
      const by = [...groups, "currency"].join(", ");
      const sums = sumNames.map((name) => `sum(${name}) AS ${name}`).join(", ");
      const query = `SELECT ${by}, ${sums} FROM days WHERE day BETWEEN ? AND ? GROUP BY ${by} ORDER BY ${by} LIMIT ?`;
      return sql.exec<SumsRow>(query, fromDay, toDay, limit).toArray();
    },
  };
}

type TransactionRow = {
  readonly id: string;
  readonly at: number;
  readonly operation: string;
  readonly model: string;
  readonly request_id: string;
  readonly total: number;
  readonly estimated: number;
};

type StatisticsRow = {
  readonly operation: string;
  readonly transactions: number;
  readonly tokens: number;
};
