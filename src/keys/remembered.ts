import type { Caller } from "../caller.ts";

/** How long an isolate takes a registry's word for a key, from when it asked: so long may a revoked key open elsewhere. */
const rememberedForMs = 30_000;
/** The same for a key that opens nothing. */
const refusedForMs = 5_000;
/** So many keys; the oldest answers make room. */
const maxRemembered = 4_096;

interface Answer {
  /** Absent where the key opens nothing. */
  readonly caller?: Caller;
}

/** What registries have said of keys, for a short time. */
export interface Remembered {
  get(key: string): Answer | undefined;
  /** Begins a question. What comes of it is remembered, unless the key was to be forgotten meanwhile; it ends at `endsMs` at the latest. */
  asking(key: string, id: string): (caller: Caller | undefined, endsMs?: number) => void;
  /** What was said of the keys of an id until now counts no more. */
  forget(id: string): void;
}

export function createRemembered(): Remembered {
  const answers = new Map<string, Answer & { readonly id: string; readonly untilMs: number }>();
  /** Goes up whenever something is forgotten. */
  let changes = 0;
  return {
    get(key) {
      const found = answers.get(key);
      if (!found || Date.now() < found.untilMs) return found;
      answers.delete(key);
      return undefined;
    },
    asking(key, id) {
      const askedMs = Date.now();
      const before = changes;
      return (caller, endsMs = Number.POSITIVE_INFINITY) => {
        if (changes !== before) return;
        const untilMs = Math.min(askedMs + (caller ? rememberedForMs : refusedForMs), endsMs);
        answers.delete(key);
        answers.set(key, { id, caller, untilMs });
        const [oldest] = answers.keys();
        if (oldest !== undefined && answers.size > maxRemembered) answers.delete(oldest);
      };
    },
    forget(id) {
      changes += 1;
      for (const [key, answer] of answers) if (answer.id === id) answers.delete(key);
    },
  };
}
