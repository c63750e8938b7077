import type { StoredSession } from "./turn.ts";

/** How one user's sessions and their turns are written down. A session's `bytes` and `messages` are those of its turns. */
export const schema = `
  create table if not exists sessions (
    id text primary key, project_id text, title blob, created_ms integer not null, updated_ms integer not null,
    last_message_ms integer, bytes integer not null default 0, messages integer not null default 0
  ) strict;
  create index if not exists sessions_by_time on sessions (updated_ms);
  create table if not exists turns (
    id integer primary key autoincrement, session_id text not null references sessions on delete cascade,
    message_id text not null, message blob not null, digest text not null, asked_ms integer not null,
    key text unique, fingerprint text,
    state text not null, attempt text not null, lease_ms integer not null,
    answer_id text not null, answer blob, answered_ms integer, about text
  ) strict;
  create index if not exists turns_by_session on turns (session_id, id);
  create index if not exists turns_by_digest on turns (digest);
  create index if not exists turns_by_attempt on turns (attempt);
`;

/** `open`: without an answer, or with a part of one. */
export interface Turn {
  readonly id: number;
  readonly sessionId: string;
  readonly projectId?: string;
  readonly answerId: string;
  readonly digest: string;
  readonly fingerprint?: string;
  readonly hasKey: boolean;
  readonly state: "pending" | "answered" | "open";
  readonly answer?: Uint8Array;
  readonly about?: string;
  readonly answeredMs?: number;
}

export interface SessionRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly project_id: string | null;
  readonly title: ArrayBuffer | null;
  readonly created_ms: number;
  readonly updated_ms: number;
  readonly last_message_ms: number | null;
  readonly messages: number;
}

export interface TurnRow extends Record<string, SqlStorageValue> {
  readonly id: number;
  readonly session_id: string;
  readonly project_id: string | null;
  readonly answer_id: string;
  readonly digest: string;
  readonly key: string | null;
  readonly fingerprint: string | null;
  readonly state: Turn["state"];
  readonly answer: ArrayBuffer | null;
  readonly about: string | null;
  readonly answered_ms: number | null;
}

export function sessionIn(row: SessionRow): StoredSession {
  return {
    id: row.id,
    projectId: row.project_id ?? undefined,
    title: bytesIn(row.title),
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
    lastMessageMs: row.last_message_ms ?? undefined,
    messages: row.messages,
  };
}

export function turnIn(row: TurnRow): Turn {
  return {
    id: row.id,
    sessionId: row.session_id,
    projectId: row.project_id ?? undefined,
    answerId: row.answer_id,
    digest: row.digest,
    fingerprint: row.fingerprint ?? undefined,
    hasKey: row.key !== null,
    state: row.state,
    answer: bytesIn(row.answer),
    about: row.about ?? undefined,
    answeredMs: row.answered_ms ?? undefined,
  };
}

const bytesIn = (blob: ArrayBuffer | null) => (blob === null ? undefined : new Uint8Array(blob));
