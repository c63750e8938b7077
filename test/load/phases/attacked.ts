import { setTimeout as sleep } from "node:timers/promises";
import type { Attack } from "../../attacks/attack.ts";
import { openTarget } from "../../attacks/target.ts";
import { caller } from "../caller.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { connections, type Judged, judged, requestsFrom } from "../requests.ts";
import type { Setting } from "../setting.ts";
import { keyOf, tenants } from "../tenants.ts";

const everyMs = 25;
/** How long 99 of 100 answers to the others may take. */
const othersP99Ms = 250;

/** One of the tenants attacks in all ways, one after the other, while the others ask at a steady pace. */
export async function attacked(setting: Setting, attacks: readonly Attack[]): Promise<Outcome> {
  setting.order("primary", "up");
  setting.order("secondary", "up");
  const [attacker = "", ...others] = tenants;
  const target = openTarget(setting.port, keyOf(attacker));
  const { ask, close } = caller(setting.port, connections);
  const next = requestsFrom(3);
  const pending: Promise<Judged>[] = [];
  let isOver = false;
  const attacking = (async () => {
    for (const { play } of attacks) await play(target);
    isOver = true;
  })();
  for (let dueMs = performance.now(); !isOver; dueMs += everyMs) {
    await sleep(Math.max(0, dueMs - performance.now()));
    const asked = next();
    if (others.includes(asked.tenant)) pending.push(ask(asked).then((answered) => judged(asked, answered)));
  }
  await attacking;
  const answers = await Promise.all(pending);
  close();
  target.close();

  const outcome = outcomeOf("a tenant attacks", answers, {
    found: [`${attacks.length} attacks, answered by ${JSON.stringify(target.statuses())}`],
    promises: [{ promise: "all others answered", isKept: answers.every(({ verdict }) => verdict === "right") }],
  });
  const isFast = (outcome.p99Ms ?? 0) <= othersP99Ms;
  return {
    ...outcome,
    promises: [...outcome.promises, { promise: `99 % of the others within ${othersP99Ms} ms`, isKept: isFast }],
  };
}
