import type { Group } from "./cases.ts";
import type { Sample } from "./load.ts";

/** One case in one round. */
export interface Round {
  readonly samples: readonly Sample[];
  readonly requestsPerSecond: number;
  /** Of the worker's process, per request. */
  readonly cpuMicroseconds: number;
}

/** The rounds of a group's cases, by the case's name. */
export type Rounds = ReadonlyMap<string, readonly Round[]>;

/** The middle of what `figure` makes of each round, so that a neighbour's burst does not count. NaN where there is none. */
export function median<T>(items: readonly T[], figure: (item: T, index: number) => number): number {
  return quantile(items.map(figure), 0.5);
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;
}

/** One case's figure over another one's: the median of the rounds' own ratios. NaN where one of them did not run. */
export function ratio(
  rounds: Rounds,
  name: string,
  other: string | undefined,
  figure: (round: Round) => number,
): number {
  const others = rounds.get(other ?? "") ?? [];
  return median(rounds.get(name) ?? [], (round, index) => {
    const beside = others[index];
    return beside ? figure(round) / figure(beside) : Number.NaN;
  });
}

export const rate = ({ requestsPerSecond }: Round) => requestsPerSecond;
export const cpu = ({ cpuMicroseconds }: Round) => cpuMicroseconds;
export const firstByteMs = ({ samples }: Round) => median(samples, (sample) => sample.firstByteMs);

/** A group's results in Markdown, so that docs/performance.md can quote them; a case a line. */
export function tableOf(group: Group, rounds: Rounds): string {
  const [bare] = group.cases;
  const floor = group.cases.find(({ worker }) => worker === "floor");
  const title = `${group.name}, ${group.connections} connection${group.connections === 1 ? "" : "s"}`;
  const head = [title, "requests/s", "of bare", "p50 ms", "p99 ms", "first byte ms", "CPU us", "of bare", "of floor"];
  const lines = group.cases.map((each) => {
    const own = rounds.get(each.name) ?? [];
    const totals = own.flatMap(({ samples }) => samples.map(({ totalMs }) => totalMs));
    const isReference = each === bare || each === floor;
    return [
      each.name,
      median(own, rate).toFixed(0),
      each === bare ? "" : percent(ratio(rounds, each.name, bare?.name, rate)),
      quantile(totals, 0.5).toFixed(2),
      quantile(totals, 0.99).toFixed(2),
      median(own, firstByteMs).toFixed(2),
      median(own, cpu).toFixed(0),
      each === bare ? "" : times(ratio(rounds, each.name, bare?.name, cpu)),
      isReference || !floor ? "" : times(ratio(rounds, each.name, floor.name, cpu)),
    ];
  });
  return markdown(head, lines);
}

export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
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

export const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
export const times = (factor: number) => `${factor.toFixed(2)} x`;
export const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
