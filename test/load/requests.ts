import { type Answered, type Asked, caller } from "./caller.ts";
import { dice } from "./dice.ts";
import { judge, type Verdict } from "./judge.ts";
import { promptMark } from "./secrets.ts";
import type { Setting } from "./setting.ts";
import { tenants } from "./tenants.ts";

export const connections = 50;

/** The nth request of a run: tenants, prompts that they share, plain or streamed, with and without the cache. */
export function requestsFrom(seed: number): () => Asked {
  const roll = dice(seed);
  return () => ({
    tenant: roll.pick(tenants),
    prompt: `${promptMark} ${Math.floor(roll() * 200)}`,
    delivery: roll.pick(["plain", "plain", "live", "atomic"]),
    mayBeCached: roll() < 0.5,
  });
}

/** The same without those that a cache may answer. */
export function freshRequestsFrom(seed: number): () => Asked {
  const next = requestsFrom(seed);
  return () => ({ ...next(), mayBeCached: false });
}

export interface Judged {
  readonly asked: Asked;
  readonly answered?: Answered;
  readonly verdict: Verdict;
  /** `x-qingyu-attempts`, apart. */
  readonly attempts: readonly string[];
}

export function judged(asked: Asked, answered: Answered | undefined): Judged {
  const attempts = String(answered?.headers["x-qingyu-attempts"] ?? "").split(", ");
  return { asked, answered, verdict: judge(asked, answered, tenants), attempts };
}

/** How often the primary was really asked. */
export function primaryAttempts(answers: readonly Judged[]): number {
  const isAttempt = (attempt: string) => attempt.startsWith("primary:") && attempt !== "primary:breaker_open";
  return answers.reduce((sum, { attempts }) => sum + attempts.filter(isAttempt).length, 0);
}

/** Asks as fast as the answers come, over all connections. */
export async function askAll(
  { port }: Setting,
  requests: number,
  next: () => Asked,
): Promise<{ answers: Judged[]; elapsedMs: number }> {
  const { ask, close } = caller(port, connections);
  const answers: Judged[] = [];
  const startedMs = performance.now();
  let left = requests;
  const run = async () => {
    while (left-- > 0) {
      const asked = next();
      answers.push(judged(asked, await ask(asked)));
    }
  };
  await Promise.all(Array.from({ length: connections }, run));
  close();
  return { answers, elapsedMs: performance.now() - startedMs };
}
