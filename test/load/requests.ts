import { type Answered, type Asked, caller } from "./caller.ts";
import { dice } from "./dice.ts";
import { judge, type Verdict } from "./judge.ts";
import { promptOf } from "./prompts.ts";
import { type RpcName, rpcKinds } from "./rpc-kinds.ts";
import type { Setting } from "./setting.ts";
import { tenants } from "./tenants.ts";

export const connections = 50;

/** Of the prompts that tenants share. */
const sharedNumbers = Array.from({ length: 100 }, (_, index) => index);

/** The nth request of a run: tenants, prompts that they share, plain or streamed, with and without the cache. */
export function requestsFrom(seed: number): () => Asked {
  const roll = dice(seed);
  return () => ({
    tenant: roll.pick(tenants),
    prompt: promptOf("chat", roll.pick(sharedNumbers)),
    delivery: roll.pick(["plain", "plain", "live", "atomic"]),
    mayBeCached: roll() < 0.5,
  });
}

/** The same without those that a cache may answer. */
export function freshRequestsFrom(seed: number): () => Asked {
  const next = requestsFrom(seed);
  return () => ({ ...next(), mayBeCached: false });
}

const mostlyChat = Array<"chat">(6).fill("chat");

/**
 * The same with RPCs among them. What takes long is asked for under a mark of its own, half of it under a key as well: by two
 * callers of a tenant at a time, and by another tenant who has chosen the same key.
 */
export function mixedRequestsFrom(seed: number, rpcs: readonly RpcName[]): () => Asked {
  const roll = dice(seed);
  const nextChat = requestsFrom(seed);
  const due: Asked[] = [];
  let mark = 0;
  return () => {
    const others = due.shift();
    if (others) return others;
    const what = roll.pick([...mostlyChat, ...rpcs]);
    const chat = nextChat();
    if (what === "chat") return chat;
    if (!rpcKinds[what].isLong) {
      return { ...chat, rpc: what, prompt: promptOf(what, roll.pick(sharedNumbers)), delivery: "plain" };
    }
    const long: Asked = { ...chat, rpc: what, prompt: promptOf(what, mark++), delivery: "plain" };
    if (roll() < 0.5) return { ...long, delivery: roll.pick(["plain", "events"]) };
    const keyed = { ...long, idempotencyKey: `key-${mark}` };
    due.push({ ...keyed, delivery: "events" }, { ...keyed, tenant: roll.pick(tenants) });
    return keyed;
  };
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
