/** A caller of another tenant who asks small things at a steady pace, as child of a run of attacks; tells how he fared. */
import { Agent } from "node:http";
import { askOnce } from "./target.ts";

const [port, key = ""] = process.argv.slice(2);

/** What he tells when he is asked. */
export interface Fared {
  /** Answers by status; 0 where none came. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

const everyMs = 20;
const patienceMs = 30_000;

const agent = new Agent({ keepAlive: true });
let asked = 0;
const answers: { readonly status: number; readonly tookMs: number }[] = [];
const waiting = new Set<Promise<void>>();

async function ask(): Promise<void> {
  const startedMs = performance.now();
  const body = JSON.stringify({ model: "innocent", messages: [{ role: "user", content: `innocent ${asked++}` }] });
  const received = await askOnce(Number(port), key, { body, agent, patienceMs });
  answers.push({ status: received?.status ?? 0, tookMs: performance.now() - startedMs });
}

const timer = setInterval(() => {
  const asking = ask().finally(() => waiting.delete(asking));
  waiting.add(asking);
}, everyMs);

async function tell(): Promise<void> {
  clearInterval(timer);
  await Promise.all(waiting);
  const tookMs = answers.map((answer) => answer.tookMs).toSorted((a, b) => a - b);
  const at = (share: number) => tookMs[Math.floor((tookMs.length - 1) * share)] ?? 0;
  const statuses: Record<number, number> = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  process.send?.({ statuses, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) } satisfies Fared, () => process.exit());
}

process.on("message", () => void tell());
process.on("disconnect", () => process.exit());
