import type { Page, Statistics, Transaction, UsageGrouping } from "../reports.ts";
import type { Entry } from "./entry.ts";

/** What one ledger keeps: its entries, and by day the sums of those that have all in common but the time. */
export interface Tables {
  /** Writes entries, those that are there already not again, all or none. */
  write(entries: readonly Entry[]): void;
  /** Forgets what is older, a part of it. Whether more of it is there. */
  forgetBefore(beforeMs: number): boolean;
  isEmpty(): boolean;
  transactions(user: string, page: Page): readonly Transaction[];
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

const dayMs = 86_400_000;
const dayOf = (atMs: number) => Math.floor(atMs / dayMs);

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
  currency TEXT NOT NULL, ${sumNames.map((name) => `${name} INTEGER NOT NULL`).join(", ")}, last_at INTEGER NOT NULL,
  PRIMARY KEY (${keys.join(", ")})
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS days_by_user ON days (user, day);
`;

const columns = [
  ...["id", "at", "request_id", "upstream_request_id", "user", "key_id", "operation", "model", "provider", "source"],
  ...["outcome", "estimated", "prompt", "cached", "completion", "reasoning", "total", "currency", "micros", "picos"],
];
const insertEntry = `INSERT OR IGNORE INTO entries (${columns.join(", ")}) VALUES (${marks(columns)}) RETURNING id`;
const addToDay = `INSERT INTO days (${[...keys, ...sumNames].join(", ")}, last_at) VALUES (${marks([...keys, ...sumNames, ""])})
ON CONFLICT DO UPDATE SET ${sumNames.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}, last_at = max(last_at, excluded.last_at)`;

function marks(names: readonly unknown[]): string {
  return names.map(() => "?").join(", ");
}

export function createTables(storage: DurableObjectStorage): Tables {
  const { sql } = storage;
  sql.exec(schema);

  function writeOne(entry: Entry): void {
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
    sql.exec(addToDay, ...key, ...sumNames.map((name) => sums[name]), atMs);
  }

  /** What was charged to a user before an entry, since the beginning of its day. */
  function earlier(user: string, atMs: number, id: string): number {
    const query = `SELECT coalesce(sum(total), 0) AS tokens FROM entries
      WHERE source = 'provider' AND user = ? AND at >= ? AND (at, id) < (?, ?)`;
    return sql.exec<{ tokens: number }>(query, user, dayOf(atMs) * dayMs, atMs, id).one().tokens;
  }

  return {
    write: (entries) => storage.transactionSync(() => entries.forEach(writeOne)),
    forgetBefore(beforeMs) {
      const old = "SELECT rowid FROM entries WHERE at < ? ORDER BY at LIMIT ?";
      sql.exec(`DELETE FROM entries WHERE rowid IN (${old})`, beforeMs, forgottenAtOnce);
      sql.exec("DELETE FROM days WHERE day < ?", dayOf(beforeMs));
      return sql.exec("SELECT 1 FROM entries WHERE at < ? LIMIT 1", beforeMs).toArray().length > 0;
    },
    isEmpty: () => sql.exec("SELECT 1 FROM days LIMIT 1").toArray().length === 0,
    transactions(user, { limit, offset }) {
      const query = `SELECT id, at, operation, model, request_id, total, estimated FROM entries
        WHERE source = 'provider' AND user = ? ORDER BY at DESC, id DESC LIMIT ? OFFSET ?`;
      const rows = sql.exec<TransactionRow>(query, user, limit, offset).toArray();
      let earlierThatDay = 0;
      let day: number | undefined;
      return rows.map(({ id, at, operation, model, request_id, total, estimated }) => {
        // From the second one of a day on, what the one after it found is less by its own.
        earlierThatDay = day === dayOf(at) ? earlierThatDay - total : earlier(user, at, id);
        day = dayOf(at);
        return {
          ...{ id, atMs: at, operation, model, requestId: request_id, tokens: total },
          ...{ isEstimated: estimated === 1, earlierThatDay },
        };
      });
    },
    statistics(user) {
      const query = `SELECT operation, sum(charged) AS transactions, sum(total) AS tokens, max(last_at) AS last
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
        ...(rows.length > 0 && { lastAtMs: Math.max(...rows.map(({ last }) => last)) }),
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
  readonly last: number;
};
