import { DurableObject } from "cloudflare:workers";

/** A key as it is kept; times in Unix milliseconds. */
export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  readonly expiresMs?: number;
  readonly revokedMs?: number;
  readonly rotatedMs?: number;
  /** The last end of those that were rotated away and still open. */
  readonly overlapEndsMs?: number;
  /** As JSON; nothing here looks into it. */
  readonly policy?: string;
}

/** What a hash opens. */
export interface Opened {
  readonly id: string;
  readonly policy?: string;
  /** When it stops doing so, as far as is known now. */
  readonly endsMs?: number;
}

export interface NewStoredKey extends Pick<StoredKey, "id" | "name" | "policy"> {
  readonly hash: string;
  readonly expiresInMs?: number;
}

/** Why nothing was done: there is no such key; it opens nothing any more; there are as many as there may be. */
export type Refusal = "unknown" | "inactive" | "full";

/** So many keys of a tenant open at a time, and of one key so many that were rotated away. */
const maxActive = 1_000;
const maxOverlaps = 8;
/** Those that open nothing any more are listed for so long, and no more of them than that. */
const deadKeptMs = 90 * 86_400_000;
const maxDead = 1_000;

const isDead = "(revoked_ms is not null or expires_ms <= ?)";
const sealingName = "sealing";

/**
 * The keys of one tenant: an object of this class for each, and one more, of no tenant, for the secret that all keys are
 * sealed with. It has the hash of a key (SHA-256, hexadecimal) and never the key. What it answers is on disk by then.
 */
export class KeyRegistry extends DurableObject {
  private readonly sql = this.ctx.storage.sql;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.sql.exec(`
      create table if not exists keys (
        id text primary key, name text not null, created_ms integer not null,
        expires_ms integer, revoked_ms integer, rotated_ms integer, policy text
      ) strict;
      create table if not exists hashes (
        hash text primary key, id text not null references keys on delete cascade, ends_ms integer
      ) strict;
      create index if not exists hashes_by_id on hashes (id);
    `);
  }

  /** The secret that keys are sealed with, made when it is asked for first. */
  sealingSecret(): Uint8Array<ArrayBuffer> {
    const { kv } = this.ctx.storage;
    const known = kv.get<Uint8Array<ArrayBuffer>>(sealingName);
    if (known) return known;
    const made = crypto.getRandomValues(new Uint8Array(32));
    kv.put(sealingName, made);
    return made;
  }

  /** What a hash opens now; undefined where that is nothing. */
  find(hash: string): Opened | undefined {
    const nowMs = Date.now();
    const [found] = this.sql.exec<{
      id: string;
      policy: string | null;
      expires_ms: number | null;
      ends_ms: number | null;
    }>(
      `select id, policy, expires_ms, ends_ms from hashes join keys using (id)
       where hash = ? and not ifnull(ends_ms <= ?, false) and not ifnull(${isDead}, false)`,
      hash,
      nowMs,
      nowMs,
    );
    if (!found) return undefined;
    const ends = [found.expires_ms, found.ends_ms].filter((end) => end !== null);
    return {
      id: found.id,
      policy: found.policy ?? undefined,
      endsMs: ends.length > 0 ? Math.min(...ends) : undefined,
    };
  }

  make({ id, name, expiresInMs, policy, hash }: NewStoredKey): StoredKey | Refusal {
    const nowMs = Date.now();
    this.forgetDead(nowMs);
    const counted = `select count(*) as count from keys where not ifnull(${isDead}, false)`;
    if (this.sql.exec<{ count: number }>(counted, nowMs).one().count >= maxActive) return "full";
    this.sql.exec(
      "insert into keys (id, name, created_ms, expires_ms, policy) values (?, ?, ?, ?, ?)",
      id,
      name,
      nowMs,
      expiresInMs === undefined ? null : nowMs + expiresInMs,
      policy ?? null,
    );
    this.sql.exec("insert into hashes (hash, id) values (?, ?)", hash, id);
    return this.read(id, nowMs) ?? "unknown";
  }

  /** All that are remembered, the newest first. */
  list(): StoredKey[] {
    return this.rows("", Date.now());
  }

  /** Opens by another hash; what opened so far does so for `overlapMs` at most. */
  rotate(id: string, hash: string, overlapMs: number): StoredKey | Refusal {
    const nowMs = Date.now();
    const key = this.read(id, nowMs);
    if (!key) return "unknown";
    if (key.revokedMs !== undefined || (key.expiresMs !== undefined && key.expiresMs <= nowMs)) return "inactive";
    const endsMs = nowMs + overlapMs;
    const forgetEnded = "delete from hashes where id = ? and ends_ms <= ?";
    this.sql.exec(forgetEnded, id, nowMs);
    const { count } = this.sql.exec<{ count: number }>("select count(*) as count from hashes where id = ?", id).one();
    if (overlapMs > 0 && count > maxOverlaps) return "full";
    this.sql.exec("update hashes set ends_ms = min(ifnull(ends_ms, ?), ?) where id = ?", endsMs, endsMs, id);
    this.sql.exec(forgetEnded, id, nowMs);
    this.sql.exec("insert into hashes (hash, id) values (?, ?)", hash, id);
    this.sql.exec("update keys set rotated_ms = ? where id = ?", nowMs, id);
    return this.read(id, nowMs) ?? "unknown";
  }

  /** Opens nothing any more; undefined where there is no such key. */
  revoke(id: string): StoredKey | undefined {
    const nowMs = Date.now();
    this.sql.exec("update keys set revoked_ms = ifnull(revoked_ms, ?) where id = ?", nowMs, id);
    this.sql.exec("delete from hashes where id = ?", id);
    return this.read(id, nowMs);
  }

  private read(id: string, nowMs: number): StoredKey | undefined {
    return this.rows("where keys.id = ?", nowMs, id)[0];
  }

  private rows(where: string, nowMs: number, ...bindings: readonly string[]): StoredKey[] {
    const found = this.sql.exec<{
      id: string;
      name: string;
      created_ms: number;
      expires_ms: number | null;
      revoked_ms: number | null;
      rotated_ms: number | null;
      policy: string | null;
      overlap_ends_ms: number | null;
    }>(
      `select keys.*, max(iif(ends_ms > ?, ends_ms, null)) as overlap_ends_ms
       from keys left join hashes using (id) ${where} group by keys.id order by created_ms desc, keys.id`,
      nowMs,
      ...bindings,
    );
    return [...found].map((row) => ({
      id: row.id,
      name: row.name,
      createdMs: row.created_ms,
      expiresMs: row.expires_ms ?? undefined,
      revokedMs: row.revoked_ms ?? undefined,
      rotatedMs: row.rotated_ms ?? undefined,
      policy: row.policy ?? undefined,
      overlapEndsMs: row.overlap_ends_ms ?? undefined,
    }));
  }

  private forgetDead(nowMs: number): void {
    this.sql.exec("delete from keys where ifnull(revoked_ms, expires_ms) <= ?", nowMs - deadKeptMs);
    this.sql.exec(
      `delete from keys where id in (
         select id from keys where ${isDead} order by ifnull(revoked_ms, expires_ms) desc limit -1 offset ?
       )`,
      nowMs,
      maxDead,
    );
  }
}
