import { logWarning } from "../telemetry/log.ts";
import { settlesWithin } from "../waiting.ts";
import type { Entry } from "./entry.ts";

/** Entries that are still to be written, in the isolate's memory. */
export interface Queue {
  /** Writes an entry behind the answer that it tells of; `waitUntil` is its request's. Never throws. */
  add(tenant: string, entry: Entry, waitUntil: (work: Promise<unknown>) => void): void;
}

export interface QueueOptions extends QueueLimits {
  /** Writes entries of a tenant, those that are written already once. Throws where that is not certain. */
  readonly write: (tenant: string, entries: readonly Entry[]) => Promise<void>;
}

export interface QueueLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** How many are written at once. */
  readonly maxBatch: number;
  /** How long a write may take before it counts as lost. */
  readonly writeTimeoutMs: number;
  /** How long a request works for its entry; then it is left to those that follow. The runtime ends what lasts longer than 30 s. */
  readonly workForMs: number;
  /** How old an entry may become in the queue. */
  readonly maxAgeMs: number;
}

export const queueLimits: QueueLimits = {
  maxEntries: 10_000,
  maxBytes: 4 * 1024 * 1024,
  maxBatch: 500,
  writeTimeoutMs: 5_000,
  workForMs: 25_000,
  maxAgeMs: 15 * 60_000,
};

/** Between two looks at the queue: this long at first, then twice as long each time. */
const firstPauseMs = 50;
const maxPauseMs = 2_000;

interface Queued {
  readonly entry: Entry;
  readonly bytes: number;
  readonly sinceMs: number;
}

/** What waits for one tenant's object, in the order in which it came. */
interface Line {
  readonly queued: Map<string, Queued>;
  /** Somebody writes; he may be ended without a word, so he counts until then. */
  writing?: { readonly untilMs: number };
}

/**
 * A queue for an isolate. What one request has begun can end with it on Workers, so each works for its own entry, in its own
 * context: whoever finds nobody writing writes the oldest entries of all, and the others look again a little later. An entry
 * may so be written twice, and counts once by its id. What does not fit or becomes too old is lost, counted and logged.
 */
export function createQueue(options: QueueOptions): Queue {
  const { write, maxEntries, maxBytes, maxBatch, writeTimeoutMs, workForMs, maxAgeMs } = options;
  const lines = new Map<string, Line>();
  let entries = 0;
  let bytes = 0;

  const remove = (line: Line, id: string) => {
    const found = line.queued.get(id);
    if (!found) return;
    line.queued.delete(id);
    entries--;
    bytes -= found.bytes;
  };

  /** What nobody could write in all that time. */
  function dropOld(tenant: string, line: Line): void {
    const oldestMs = Date.now() - maxAgeMs;
    const old = [...line.queued].filter(([, { sinceMs }]) => sinceMs < oldestMs);
    for (const [id] of old) remove(line, id);
    if (old.length > 0) logLost(tenant, old.length, "too old");
  }

  /** Whether the oldest entries are written now. */
  async function flush(tenant: string, line: Line): Promise<boolean> {
    const batch = [...line.queued.values()].slice(0, maxBatch).map(({ entry }) => entry);
    const turn = { untilMs: Date.now() + writeTimeoutMs };
    line.writing = turn;
    const writing = Promise.resolve()
      .then(() => write(tenant, batch))
      .then(
        () => true,
        () => false,
      );
    const isWritten = (await settlesWithin(writing, writeTimeoutMs)) && (await writing);
    if (line.writing === turn) line.writing = undefined;
    if (isWritten) for (const { id } of batch) remove(line, id);
    return isWritten;
  }

  /** Until an entry is written, or its request's time is up. */
  async function workFor(tenant: string, line: Line, id: string): Promise<void> {
    const untilMs = Date.now() + workForMs;
    for (let pauseMs = firstPauseMs; line.queued.has(id); ) {
      const isFree = !line.writing || line.writing.untilMs <= Date.now();
      if (isFree && (await flush(tenant, line))) continue;
      if (Date.now() + pauseMs > untilMs) {
        dropOld(tenant, line);
        logWarning("ledger_waiting", { tenant, entries: String(line.queued.size) });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs = Math.min(2 * pauseMs, maxPauseMs);
    }
    if (line.queued.size === 0 && lines.get(tenant) === line) lines.delete(tenant);
  }

  return {
    add(tenant, entry, waitUntil) {
      const size = JSON.stringify(entry).length;
      if (entries + 1 > maxEntries || bytes + size > maxBytes) {
        logLost(tenant, 1, "no room");
        return;
      }
      const line = lines.getOrInsertComputed(tenant, () => ({ queued: new Map<string, Queued>() }));
      line.queued.set(entry.id, { entry, bytes: size, sinceMs: Date.now() });
      entries++;
      bytes += size;
      waitUntil(workFor(tenant, line, entry.id));
    },
  };
}

function logLost(tenant: string, entries: number, reason: string): void {
  logWarning("ledger_lost", { tenant, entries: String(entries), reason });
}
