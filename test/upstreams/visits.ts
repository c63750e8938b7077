import type { Visit } from "./texts.ts";

type Kept = { -readonly [Key in keyof Visit]: Visit[Key] };

/** How long `waitFor` waits for what never happens; the test that asked then fails by what it is told. */
const patienceMs = 6_000;

const visitsById = new Map<string, Kept[]>();
const waiting = new Set<() => void>();

/** Writes down that somebody came; tells how many have come by now. */
export function arrive(id: string, visit: Visit): { visit: Kept; visits: number } {
  const kept = { ...visit };
  const all = [...(visitsById.get(id) ?? []), kept];
  visitsById.set(id, all);
  changed();
  return { visit: kept, visits: all.length };
}

/** Tells those who wait that a visit is not what it was. */
export function changed(): void {
  for (const look of [...waiting]) look();
}

/** The visits of a test as soon as `state`, where it is given, is the state of one of them. */
export function waitFor(id: string, state: string | null): Promise<readonly Visit[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Visit[]>();
  const stop = () => {
    clearTimeout(timer);
    waiting.delete(look);
    resolve(visitsById.get(id) ?? []);
  };
  const look = () => {
    if (state === null || visitsById.get(id)?.some((visit) => visit.state === state)) stop();
  };
  const timer = setTimeout(stop, patienceMs);
  waiting.add(look);
  look();
  return promise;
}
