/** What a caller's `Cache-Control` asks for (RFC 9111, 5.2.1; RFC 5861). Times in seconds; infinite where no limit was named. */
export interface Directives {
  /** Neither read nor written, and shared with nobody. */
  readonly noStore: boolean;
  /** Not read; what comes is written. */
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  /** How old an answer may be. */
  readonly maxAge: number;
  /** How long after its freshness an answer may be used at once, */
  readonly maxStale?: number;
  /** where no provider answers, */
  readonly staleIfError?: number;
  /** or while it is asked for anew in the background. */
  readonly staleWhileRevalidate?: number;
}

const nothingAsked: Directives = {
  noStore: false,
  noCache: false,
  onlyIfCached: false,
  maxAge: Number.POSITIVE_INFINITY,
};

/** Names without case, the first of each counts; values also in quotes. What is unknown is ignored, what is no number is 0. */
export function directivesFrom(cacheControl: string | undefined): Directives {
  if (cacheControl === undefined) return nothingAsked;
  const values = new Map<string, string | undefined>();
  for (const directive of cacheControl.split(",")) {
    const [name = "", value] = directive.split("=", 2).map((part) => part.trim());
    if (!values.has(name.toLowerCase())) values.set(name.toLowerCase(), value?.replace(/^"(.*)"$/, "$1"));
  }
  const seconds = (name: string) => {
    if (!values.has(name)) return undefined;
    const value = values.get(name);
    if (value === undefined) return Number.POSITIVE_INFINITY;
    return /^\d+$/.test(value) ? Number(value) : 0;
  };
  return {
    noStore: values.has("no-store"),
    noCache: values.has("no-cache"),
    onlyIfCached: values.has("only-if-cached"),
    maxAge: seconds("max-age") ?? Number.POSITIVE_INFINITY,
    maxStale: seconds("max-stale"),
    staleIfError: seconds("stale-if-error"),
    staleWhileRevalidate: seconds("stale-while-revalidate"),
  };
}
