/** What is sent to a path or a URL. */
export type Sent = Pick<RequestInit, "method" | "headers" | "body" | "signal">;
/** How a client's requests leave it. */
export type Send = (url: string, sent?: Sent) => Promise<Response>;

/** The answer's body as JSON; undefined where it is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The first member that JavaScript takes for true, as `a.x || a.y` is read; else the last one. */
export function firstOf(value: unknown, ...names: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  let found: unknown;
  for (const name of names) {
    found = Reflect.get(value, name);
    if (found) return found;
  }
  return found;
}
