import type { Case } from "./cases.ts";
import type { Sample } from "./load.ts";

/** One case in one round. */
export interface Round {
  readonly samples: readonly Sample[];
  readonly requestsPerSecond: number;
  readonly cpuMicroseconds: number;
}

/** What all rounds of a case come to. Rates and CPU time are the median round's, so that a neighbour's burst does not count. */
export interface Result {
  readonly requestsPerSecond: number;
  readonly totalMs: { readonly p50: number; readonly p99: number };
  readonly firstByteMs: { readonly p50: number; readonly p99: number };
  /** Of the worker's process, per request. */
  readonly cpuMicroseconds: number;
  /** Requests/s as a share of the case that it is measured against: the median of the rounds' own ratios. */
  readonly share?: number;
}

/** The results by case name. */
export type Results = ReadonlyMap<string, Result>;

/** Puts the rounds of all cases together. */
export function summarise(cases: readonly Case[], rounds: ReadonlyMap<string, readonly Round[]>): Results {
  const results = new Map<string, Result>();
  for (const { name, beside } of cases) {
    const own = rounds.get(name) ?? [];
    const other = rounds.get(beside ?? "");
    const samples = own.flatMap((round) => round.samples);
    const totals = samples.map(({ totalMs }) => totalMs);
    const firsts = samples.map(({ firstByteMs }) => firstByteMs);
    const shares = own.map((round, index) => round.requestsPerSecond / (other?.[index]?.requestsPerSecond ?? 1));
    results.set(name, {
      requestsPerSecond: quantile(rates(own), 0.5),
      totalMs: { p50: quantile(totals, 0.5), p99: quantile(totals, 0.99) },
      firstByteMs: { p50: quantile(firsts, 0.5), p99: quantile(firsts, 0.99) },
      cpuMicroseconds: quantile(
        own.map((round) => round.cpuMicroseconds),
        0.5,
      ),
      share: other && quantile(shares, 0.5),
    });
  }
  return results;
}

const rates = (rounds: readonly Round[]) => rounds.map(({ requestsPerSecond }) => requestsPerSecond);

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;
}

/** The results as a table, one line per case, in Markdown so that docs/performance.md can quote it. */
export function table(results: Results): string {
  const head = ["", "requests/s", "p50 ms", "p99 ms", "first byte p50 ms", "p99 ms", "CPU us", "of the bare worker"];
  const lines = [...results].map(([name, result]) => [
    name,
    result.requestsPerSecond.toFixed(0),
    result.totalMs.p50.toFixed(2),
    result.totalMs.p99.toFixed(2),
    result.firstByteMs.p50.toFixed(2),
    result.firstByteMs.p99.toFixed(2),
    result.cpuMicroseconds.toFixed(0),
    result.share === undefined ? "" : percent(result.share),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)));
  const row = (line: readonly string[]) => {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return `| ${cells.join(" | ")} |`;
  };
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [row(head), row(rule), ...lines.map(row)].join("\n");
}

export interface Aim {
  readonly name: string;
  readonly reached: string;
  readonly isReached: boolean;
}

/** The aims that the results of these runs can be held against; cases that did not run are left out. */
export function aims(results: ReadonlyMap<number, Results>, gzipBytes: number): Aim[] {
  const list: Aim[] = [
    { name: "bundle under 200 KiB (gzip)", reached: `${kib(gzipBytes)} KiB`, isReached: gzipBytes < 200 * 1024 },
  ];
  const atLeast = (name: string, least: number, of = "the bare forwarder's") => {
    const share = results.get(16)?.get(name)?.share;
    if (share === undefined || Number.isNaN(share)) return;
    list.push({
      name: `${name}: at least ${percent(least)} of ${of} requests/s at 16 connections`,
      reached: percent(share),
      isReached: share >= least,
    });
  };
  atLeast("OpenAI, cache off", 0.7);
  atLeast("AI service, Connect", 0.6);
  atLeast("cache hit, KV", 0.8, "the bare KV reader's");
  atLeast("cache hit, KV, simulator", 0.8, "the simulated bare KV reader's");
  atLeast("cache hit, memory", 1, "the bare KV reader's");
  const cpu = (name: string) => results.get(16)?.get(name)?.cpuMicroseconds ?? Number.NaN;
  const kvMicroseconds = cpu("bare JSON forwarder with KV") - cpu("bare JSON forwarder");
  const added = (cpu("OpenAI, cache miss") - kvMicroseconds) / cpu("OpenAI, cache off") - 1;
  if (!Number.isNaN(added)) {
    const name = "a miss: at most 10 % more CPU than with the cache off, beyond KV's own, at 16 connections";
    list.push({ name, reached: percent(added), isReached: added <= 0.1 });
  }
  const streamed = results.get(1)?.get("OpenAI paced stream");
  const bare = results.get(1)?.get("bare paced stream");
  if (streamed && bare) {
    const addedMs = streamed.firstByteMs.p50 - bare.firstByteMs.p50;
    const name = "at most 1 ms added to the time to first token at 1 connection";
    list.push({ name, reached: `${addedMs.toFixed(2)} ms`, isReached: addedMs <= 1 });
  }
  return list;
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

export function kib(bytes: number): string {
  return (bytes / 1024).toFixed(0);
}
