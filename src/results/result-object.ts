import { DurableObject } from "cloudflare:workers";

/** A result as it is kept: nothing here looks into it. */
export interface SealedResult {
  readonly id: string;
  readonly partIds: readonly string[];
  readonly sealed: Uint8Array;
}

export interface FoundResult extends Pick<SealedResult, "id" | "sealed"> {
  /** In Unix milliseconds, as all times here. */
  readonly createdMs: number;
  readonly expiresMs: number;
}

const keptForMs = 30 * 86_400_000;
/** What one user may have; the oldest make room. */
const maxResults = 500;
const maxBytes = 32 * 1024 * 1024;
/** A value may have 2 MB (https://developers.cloudflare.com/durable-objects/platform/limits/). */
const pieceBytes = 1024 * 1024;

/** The results of one user of one tenant, for 30 days: an object of this class for each. It has sealed bytes and ids. */
export class ResultKeeper extends DurableObject {
  private readonly sql = this.ctx.storage.sql;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.createTables();
  }

  /** Until when it is kept. What is kept under its id already stays as it is. */
  async keep({ id, partIds, sealed }: SealedResult): Promise<number> {
    const nowMs = Date.now();
    const expiresMs = nowMs + keptForMs;
    const known = this.expiryOf(id, nowMs);
    if (known !== undefined) return known;
    this.ctx.storage.transactionSync(() => {
      this.sql.exec("delete from results where id = ? or expires_ms <= ?", id, nowMs);
      this.makeRoomFor(sealed.byteLength);
      const bytes = sealed.byteLength;
      this.sql.exec("insert into results (id, expires_ms, bytes) values (?, ?, ?)", id, expiresMs, bytes);
      for (let at = 0; at < sealed.byteLength; at += pieceBytes) {
        this.sql.exec(
          "insert into pieces (result_id, at, bytes) values (?, ?, ?)",
          id,
          at,
          sealed.slice(at, at + pieceBytes),
        );
      }
      for (const partId of partIds) {
        this.sql.exec("insert or ignore into parts (id, result_id) values (?, ?)", partId, id);
      }
    });
    await this.wakeAtFirstExpiry();
    return expiresMs;
  }

  /** The result that has an id, or a part that has it. */
  find(id: string): FoundResult | undefined {
    const [found] = this.sql.exec<{ id: string; bytes: number; expires_ms: number }>(
      `select id, bytes, expires_ms from results
       where id = ifnull((select result_id from parts where parts.id = ?), ?) and expires_ms > ?`,
      id,
      id,
      Date.now(),
    );
    if (!found) return undefined;
    const sealed = new Uint8Array(found.bytes);
    const pieces = this.sql.exec<{ at: number; bytes: ArrayBuffer }>(
      "select at, bytes from pieces where result_id = ?",
      found.id,
    );
    for (const { at, bytes } of pieces) sealed.set(new Uint8Array(bytes), at);
    const { id: resultId, expires_ms: expiresMs } = found;
    return { id: resultId, sealed, createdMs: expiresMs - keptForMs, expiresMs };
  }

  override async alarm(): Promise<void> {
    this.sql.exec("delete from results where expires_ms <= ?", Date.now());
    if (await this.wakeAtFirstExpiry()) return;
    await this.ctx.storage.deleteAll();
    // This instance may be asked again.
    this.createTables();
  }

  private createTables(): void {
    this.sql.exec(`
      create table if not exists results (
        id text primary key, expires_ms integer not null, bytes integer not null
      ) strict;
      create index if not exists results_by_expiry on results (expires_ms);
      create table if not exists pieces (
        result_id text not null references results on delete cascade, at integer not null, bytes blob not null,
        primary key (result_id, at)
      ) strict, without rowid;
      create table if not exists parts (
        id text primary key, result_id text not null references results on delete cascade
      ) strict;
      create index if not exists parts_by_result on parts (result_id);
    `);
  }

  private expiryOf(id: string, nowMs: number): number | undefined {
    const [known] = this.sql.exec<{ expires_ms: number }>(
      "select expires_ms from results where id = ? and expires_ms > ?",
      id,
      nowMs,
    );
    return known?.expires_ms;
  }

  /** Deletes the oldest until one more is within the bounds. */
  private makeRoomFor(bytes: number): void {
    this.sql.exec(
      `delete from results where id in (
         select id from (
           select id, row_number() over newest as place, sum(bytes) over newest as total from results
           window newest as (order by expires_ms desc, rowid desc)
         ) where place >= ? or total > ?
       )`,
      maxResults,
      maxBytes - bytes,
    );
  }

  /** Whether there is anything that will expire. */
  private async wakeAtFirstExpiry(): Promise<boolean> {
    const { first } = this.sql.exec<{ first: number | null }>("select min(expires_ms) as first from results").one();
    if (first === null) return false;
    await this.ctx.storage.setAlarm(first);
    return true;
  }
}
