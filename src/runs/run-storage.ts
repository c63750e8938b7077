import type { Caller } from "../caller.ts";
import type { ToldAttempt } from "./work.ts";

/** What is known of a run wherever its object is woken; nothing of what was asked. */
export interface Mark {
  readonly run: string;
  readonly fingerprint: string;
  readonly requestId: string;
  readonly traceId: string;
  readonly caller: Caller;
  readonly operation: string;
  readonly startedAtMs: number;
  /** Absent until there is an answer. */
  readonly answered?: { readonly keptUntilMs: number; readonly attempts: readonly ToldAttempt[] };
}

/** What a run's object keeps: its mark and, in pieces, its sealed answer. */
export interface RunStorage {
  mark(): Mark | undefined;
  /** The answer of the run that is marked as answered. */
  answer(): Uint8Array;
  begin(mark: Mark): void;
  /** Marks the run as answered, all at once or not at all. */
  finish(mark: Mark, sealed: Uint8Array): void;
}

/** A value may have 2 MB (https://developers.cloudflare.com/durable-objects/platform/limits/). */
const pieceBytes = 1024 * 1024;
const pieceKey = (index: number) => `answer:${String(index).padStart(4, "0")}`;

export function runStorage(storage: DurableObjectStorage): RunStorage {
  const { kv } = storage;
  const clear = () => {
    for (const [key] of kv.list({ prefix: "answer:" })) kv.delete(key);
  };
  return {
    mark: () => kv.get<Mark>("mark"),
    answer() {
      const pieces = [...kv.list<Uint8Array>({ prefix: "answer:" })].map(([, piece]) => piece);
      const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
      let at = 0;
      for (const piece of pieces) {
        bytes.set(piece, at);
        at += piece.byteLength;
      }
      return bytes;
    },
    begin: (mark) =>
      storage.transactionSync(() => {
        clear();
        kv.put("mark", mark);
      }),
    finish: (mark, sealed) =>
      storage.transactionSync(() => {
        clear();
        for (let index = 0; index * pieceBytes < sealed.byteLength; index++) {
          // A piece of its own: a view would be stored with all that it is a view of.
          kv.put(pieceKey(index), sealed.slice(index * pieceBytes, (index + 1) * pieceBytes));
        }
        kv.put("mark", mark);
      }),
  };
}
