import type { Page } from "../page.ts";
import { type SessionRow, schema, sessionIn, type Turn, type TurnRow, turnIn } from "./rows.ts";
import type { EndedTurn, NewTurn, PastTurn, StoredMessage, StoredSession } from "./turn.ts";

/** What one user's sessions may come to; beyond that the least recently used go, of a session its oldest turns. */
const maxSessions = 1_000;
const maxUserBytes = 64 * 1024 * 1024;
const maxTurns = 500;
const maxSessionBytes = 16 * 1024 * 1024;
/** No budget holds more of what was said before, in bytes. */
const maxHistoryBytes = 64 * 1024;
/** What a page may come to, in bytes; one message always comes. */
const maxPageBytes = 1024 * 1024;

interface MessageRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly sealed: ArrayBuffer;
  readonly said_ms: number;
  readonly about: string | null;
}

/** The message of a turn, and its answer. */
const selectMessage = [
  "select message_id as id, message as sealed, asked_ms as said_ms, null as about from turns where id = ?",
  "select answer_id as id, answer as sealed, answered_ms as said_ms, about from turns where id = ?",
] as const;

const selectTurn = "select turns.*, project_id from turns join sessions on sessions.id = session_id";

/** One user's sessions and their turns: a message and its answer each, so that neither is without the other. */
export function createTables({ sql }: DurableObjectStorage) {
  sql.exec(schema);

  function turn(query: string, ...bindings: readonly SqlStorageValue[]): Turn | undefined {
    const [row] = sql.exec<TurnRow>(`${selectTurn} ${query}`, ...bindings);
    return row && turnIn(row);
  }

  /** Counts a session anew. */
  function count(sessionId: string): void {
    sql.exec(
      `update sessions set (bytes, messages) = (
         select ifnull(sum(length(message) + ifnull(length(answer), 0)), 0), count(*) + count(answer)
         from turns where session_id = sessions.id
       ) where id = ?`,
      sessionId,
    );
  }

  const tables = {
    session(id: string): StoredSession | undefined {
      const [row] = sql.exec<SessionRow>("select * from sessions where id = ?", id);
      return row && sessionIn(row);
    },
    sessions({ limit, offset }: Page, projectId: string | undefined): StoredSession[] {
      const rows = sql.exec<SessionRow>(
        `select * from sessions where ?1 is null or project_id = ?1
         order by updated_ms desc, rowid desc limit ?2 offset ?3`,
        projectId ?? null,
        limit,
        offset,
      );
      return [...rows].map(sessionIn);
    },
    makeSession(id: string, title: Uint8Array | undefined, projectId: string | undefined, nowMs: number): void {
      sql.exec(
        "insert into sessions (id, project_id, title, created_ms, updated_ms) values (?, ?, ?, ?, ?)",
        id,
        projectId ?? null,
        title ?? null,
        nowMs,
        nowMs,
      );
    },
    rename(id: string, title: Uint8Array, nowMs: number): void {
      sql.exec("update sessions set title = ?, updated_ms = ? where id = ?", title, nowMs, id);
    },
    /** Whether there was one. */
    remove: (id: string): boolean => sql.exec("delete from sessions where id = ?", id).rowsWritten > 0,
    /** The newest messages but so many, in their order. */
    messages(sessionId: string, { limit, offset }: Page): StoredMessage[] {
      // Their places first: to sort the texts themselves would take all that the session holds into memory.
      const places = sql.exec<{ turn: number; part: number }>(
        `select id as turn, 0 as part from turns where session_id = ?1
         union all select id, 1 from turns where session_id = ?1 and answer is not null
         order by turn desc, part desc limit ?2 offset ?3`,
        sessionId,
        limit,
        offset,
      );
      const read: StoredMessage[] = [];
      let bytes = 0;
      for (const { turn, part } of places.toArray()) {
        const {
          id,
          sealed,
          said_ms: saidMs,
          about,
        } = sql.exec<MessageRow>(selectMessage[part === 0 ? 0 : 1], turn).one();
        bytes += sealed.byteLength;
        if (read.length > 0 && bytes > maxPageBytes) break;
        const role = part === 0 ? "user" : "assistant";
        read.push({ id, role, sealed: new Uint8Array(sealed), saidMs, about: about ?? undefined });
      }
      return read.reverse();
    },

    turnOf: (key: string) => turn("where key = ?", key),
    /** The same message without an answer of its own, where it is the last one of its session. */
    unanswered: (sessionId: string, digest: string) =>
      turn(
        `where turns.id = (select max(id) from turns where session_id = ?) and digest = ? and state <> 'answered'`,
        sessionId,
        digest,
      ),
    /** The same message without an answer of its own, where it is new and all that there is of its session. */
    begunWith: (digest: string, projectId: string | undefined, sinceMs: number) =>
      turn(
        `where digest = ? and state <> 'answered' and project_id is ? and asked_ms > ? and not exists (
           select 1 from turns as others where others.session_id = turns.session_id and others.id <> turns.id
         ) order by turns.id desc limit 1`,
        digest,
        projectId ?? null,
        sinceMs,
      ),
    turn: (id: number) => turn("where turns.id = ?", id),
    turnFor: (attempt: string) => turn("where attempt = ?", attempt),
    /** The one that is being answered, in a session. */
    pendingIn: (sessionId: string, nowMs: number) =>
      turn("where session_id = ? and state = 'pending' and lease_ms > ? limit 1", sessionId, nowMs),
    isPending: (id: number, nowMs: number) =>
      turn("where turns.id = ? and state = 'pending' and lease_ms > ?", id, nowMs) !== undefined,

    addTurn(
      sessionId: string,
      { ids, attempt, title, message, digest, leaseMs }: NewTurn,
      nowMs: number,
    ): Turn | undefined {
      const { id } = sql
        .exec<{ id: number }>(
          `insert into turns (session_id, message_id, message, digest, asked_ms, state, attempt, lease_ms, answer_id)
           values (?, ?, ?, ?, ?, 'open', ?, ?, ?) returning id`,
          sessionId,
          ids.messageId,
          message,
          digest,
          nowMs,
          attempt,
          leaseMs,
          ids.answerId,
        )
        .one();
      sql.exec(
        "update sessions set title = ifnull(title, ?), updated_ms = ?, last_message_ms = ? where id = ?",
        title,
        nowMs,
        nowMs,
        sessionId,
      );
      count(sessionId);
      return tables.turn(id);
    },
    /** Gives a turn to who answers it now. */
    lease(id: number, { attempt, leaseMs, claim }: NewTurn): void {
      sql.exec("update turns set state = 'pending', attempt = ?, lease_ms = ? where id = ?", attempt, leaseMs, id);
      if (!claim) return;
      sql.exec("update turns set key = ?, fingerprint = ? where id = ?", claim.name, claim.fingerprint, id);
    },
    /** Of a turn that somebody else answers by now nothing is changed. */
    end({ attempt, isComplete, answer, endedMs }: EndedTurn): void {
      const { rowsWritten } = sql.exec(
        `update turns set state = ?, answer = ifnull(?, answer), about = ifnull(?, about),
           answered_ms = iif(?, ?, answered_ms)
         where attempt = ? and state = 'pending'`,
        isComplete ? "answered" : "open",
        answer?.sealed ?? null,
        answer?.about ?? null,
        answer ? 1 : 0,
        endedMs,
        attempt,
      );
      const sessionId = rowsWritten > 0 ? tables.turnFor(attempt)?.sessionId : undefined;
      if (sessionId === undefined) return;
      count(sessionId);
      if (answer)
        sql.exec("update sessions set updated_ms = ?, last_message_ms = ? where id = ?", endedMs, endedMs, sessionId);
    },
    /** What was said before a turn and answered, the newest first. */
    history(sessionId: string, before: number): PastTurn[] {
      const rows = sql.exec<{ message_id: string; message: ArrayBuffer; answer_id: string; answer: ArrayBuffer }>(
        `select message_id, message, answer_id, answer from turns
         where session_id = ? and id < ? and answer is not null order by id desc`,
        sessionId,
        before,
      );
      const past: PastTurn[] = [];
      let bytes = 0;
      for (const row of rows) {
        bytes += row.message.byteLength + row.answer.byteLength;
        if (bytes > maxHistoryBytes) break;
        const [message, answer] = [new Uint8Array(row.message), new Uint8Array(row.answer)];
        past.push({ messageId: row.message_id, message, answerId: row.answer_id, answer });
      }
      return past;
    },

    /** Has go what is too much, but never the session that is in use, nor its last turn. */
    trim(sessionId: string): void {
      const { rowsWritten } = sql.exec(
        `delete from turns where id in (
           select id from (
             select id, row_number() over latest as place,
               sum(length(message) + ifnull(length(answer), 0)) over latest as bytes
             from turns where session_id = ? window latest as (order by id desc)
           ) where place > 1 and (place > ? or bytes > ?)
         )`,
        sessionId,
        maxTurns,
        maxSessionBytes,
      );
      if (rowsWritten > 0) count(sessionId);
      sql.exec(
        `delete from sessions where id in (
           select id from (
             select id, row_number() over latest as place, sum(bytes) over latest as bytes
             from sessions window latest as (order by id = ? desc, updated_ms desc, rowid desc)
           ) where place > 1 and (place > ? or bytes > ?)
         )`,
        sessionId,
        maxSessions,
        maxUserBytes,
      );
    },
    /** From then on the keys of turns that are older stand for nothing. */
    forgetKeysBefore(timeMs: number): void {
      sql.exec("update turns set key = null, fingerprint = null where key is not null and asked_ms <= ?", timeMs);
    },
    forgetSessionsBefore(timeMs: number): void {
      sql.exec("delete from sessions where updated_ms <= ?", timeMs);
    },
    /** When the session was used that was not for the longest time. */
    oldestMs: (): number | undefined =>
      sql.exec<{ oldest: number | null }>("select min(updated_ms) as oldest from sessions").one().oldest ?? undefined,
  };

  return tables;
}
