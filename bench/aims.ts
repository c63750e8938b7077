import { cpu, firstByteMs, kib, median, percent, type Rounds, rate, ratio, times } from "./report.ts";

export interface Reached {
  /** The rounds of each group that ran, by its name. */
  readonly groups: ReadonlyMap<string, Rounds>;
  readonly gzipBytes: number;
  readonly startMs: number;
}

/** What the gateway is to reach, and what it has: a line for each aim whose cases ran. */
export function aims({ groups, gzipBytes, startMs }: Reached): string[][] {
  const none: Rounds = new Map();
  const requests = groups.get("requests") ?? none;
  const hits = groups.get("hits") ?? none;
  const bursts = groups.get("burst streams") ?? none;
  const paced = groups.get("paced streams") ?? none;
  const firsts = groups.get("first tokens") ?? none;

  const lines: string[][] = [];
  const atMost = (what: string, most: number, reached: number, text: (value: number) => string) =>
    add(what, `at most ${text(most)}`, reached, reached <= most, text);
  const atLeast = (what: string, least: number, reached: number, text: (value: number) => string) =>
    add(what, `at least ${text(least)}`, reached, reached >= least, text);
  const add = (what: string, aim: string, reached: number, isMet: boolean, text: (value: number) => string) => {
    if (!Number.isNaN(reached)) lines.push([what, aim, text(reached), isMet ? "met" : "missed"]);
  };

  const bare = "bare forwarder";
  atMost("requests, OpenAI: CPU of bare", 1.9, ratio(requests, "OpenAI", bare, cpu), times);
  atMost("requests, AI service: CPU of bare", 2.2, ratio(requests, "AI service", bare, cpu), times);
  atMost("paced streams, OpenAI: CPU of floor", 1.1, ratio(paced, "OpenAI", "floor", cpu), times);
  atMost("paced streams, AI service: CPU of floor", 1.2, ratio(paced, "AI service", "floor", cpu), times);
  for (const name of ["OpenAI, batch_ms 20", "AI service, batch_ms 20"]) {
    atMost(`paced streams, ${name}: CPU of bare`, 1.5, ratio(paced, name, bare, cpu), times);
  }
  for (const name of ["OpenAI", "AI service"]) {
    atLeast(`burst streams, ${name}: requests/s of bare`, 0.6, ratio(bursts, name, bare, rate), percent);
  }
  atLeast("hits from memory: requests/s of bare", 0.9, ratio(hits, "from memory", "bare KV reader", rate), percent);
  atLeast("hits from KV: requests/s of bare", 0.65, ratio(hits, "from KV", "bare KV reader", rate), percent);
  atMost("a miss beyond cache off and KV's own cost: CPU", 0.15, missAdds(requests), percent);
  for (const name of ["OpenAI", "AI service"]) {
    const added = (firsts.get(name) ?? []).map((round, index) => {
      const beside = firsts.get(bare)?.[index];
      return beside ? firstByteMs(round) - firstByteMs(beside) : Number.NaN;
    });
    const ms = (value: number) => `${value.toFixed(2)} ms`;
    atMost(`first tokens, ${name}: added`, 0.3, median(added, Number), ms);
  }
  atMost("bundle, gzip", 130 * 1024, gzipBytes, kib);
  atMost("start-up to the first answer", 55, startMs, (value) => `${value.toFixed(0)} ms`);
  return lines;
}

/** KV's own cost is what it adds to a worker that only forwards JSON. */
function missAdds(requests: Rounds): number {
  const off = requests.get("OpenAI") ?? [];
  const [miss, plain, withKv] = ["OpenAI, cache miss", "bare JSON forwarder", "bare JSON forwarder with KV"].map(
    (name) => (requests.get(name) ?? []).map(cpu),
  );
  return median(off, (round, index) => {
    const kvMicroseconds = (withKv?.[index] ?? Number.NaN) - (plain?.[index] ?? Number.NaN);
    return ((miss?.[index] ?? Number.NaN) - kvMicroseconds) / cpu(round) - 1;
  });
}
