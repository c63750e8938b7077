import type { Dialect } from "../upstreams/dialect.ts";

const any = [
  "reset",
  "close",
  "status:500",
  "html:503",
  "html:502",
  "limited:retry-after-ms=40",
  "limited:retry-after=30",
  "limited:x-nothing=1",
  "html:200",
  "status:401",
  "reset-body",
  "close-body",
  "silent-body",
  "empty",
  "garbage",
];
const streamed = ["reset-mid", "close-mid", "unfinished", "silent-mid", "garbage-mid", "slow:40"];
const openAiStreamed = ["garbled", "no-done", "no-done-reset", "error-mid:server_error", "done-only"];
const framed = ["twice", "after-end", "error-mid:unavailable", "error-mid:internal"];

/** The scenarios (test/upstreams/scenarios.ts) that can befall an answer in this dialect; some of them leave it whole. */
export function faultsFor(dialect: Dialect): readonly string[] {
  if (!dialect.isStream) return any;
  return [...any, ...streamed, ...(dialect.isFramed ? framed : openAiStreamed)];
}
