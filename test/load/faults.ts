import type { Dialect } from "../upstreams/dialect.ts";

const any = [
  "reset",
  "close",
  "status:500",
  "html:503",
  "html:502",
  "limited:retry-after-ms=40",
  "limited:retry-after=1",
  "limited:retry-after=30",
  "limited:x-nothing=1",
  "html:200",
  "status:401",
  // In the protocol's own words, and with the key that was sent.
  "error:500:internal",
  "error:503:unavailable",
  "error:429:resource_exhausted",
  "error:401:unauthenticated",
  "reset-body",
  "close-body",
  "silent-body",
  "empty",
  "garbage",
  "slow:40",
];
const streamed = [
  "reset-mid",
  "close-mid",
  // In the midst of a token, where HTTP cannot tell that there should be more.
  "cut:80",
  "unfinished",
  "unfinished-opening",
  "error-opening:unavailable",
  "silent-mid",
  "garbage-mid",
];
const openAiStreamed = ["garbled", "no-done", "no-done-reset", "error-mid:server_error", "done-only"];
const framed = ["garbled", "twice", "after-end", "error-mid:unavailable", "error-mid:internal"];

/** Whether a back end says by this that it has not begun, so that it may be asked once more. */
export const refusesBeforehand = (scenario: string) => /^(limited|error:429):/.test(scenario);

/** The scenarios (test/upstreams/scenarios.ts) that can befall an answer in this dialect; some of them leave it whole. */
export function faultsFor(dialect: Dialect): readonly string[] {
  if (!dialect.isStream) return any;
  return [...any, ...streamed, ...(dialect.isFramed ? framed : openAiStreamed)];
}
