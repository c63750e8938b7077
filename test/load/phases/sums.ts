import { setTimeout as pause } from "node:timers/promises";
import { entriesIn, operators, usageBy, usedBy, type Written } from "../books.ts";
import { type Asked, caller } from "../caller.ts";
import { dice } from "../dice.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { connections, type Judged, judged, mixedRequestsFrom } from "../requests.ts";
import { rpcsOf } from "../rpc-kinds.ts";
import type { Setting, SettingOptions } from "../setting.ts";
import { judgeSums } from "../sums.ts";
import { tenants } from "../tenants.ts";

const [limitedTenant = ""] = tenants;

/** Three isolates, the second provider asked where the first is late, and a budget for one tenant that he does not use up. */
export const sumsSetting: SettingOptions = {
  primary: "openai",
  isolates: 3,
  settings: {
    QINGYU_HEDGE_AFTER_MS: "150",
    QINGYU_HEDGE_MAX_PERCENT: "30",
    GATEWAY_ADMIN_KEYS: operators,
    AI_POLICIES: JSON.stringify([{ tenant: limitedTenant, tokensPerDay: 1_000_000_000_000 }]),
  },
};

/** Mixed faults, hedges, and callers who leave; then the books are compared with what the back ends have said. */
export async function sums(setting: Setting, requests: number): Promise<Outcome> {
  setting.order("primary", "mixed");
  setting.order("secondary", "mixed");
  const answers: Judged[] = [];
  const left = await askOrLeave(setting, mixedRequestsFrom(5, rpcsOf.openai), requests, answers);
  await setting.log.of(requests);
  const { port, objectsFolder } = setting;
  const entries = await settledEntries(objectsFolder);
  const { said } = await setting.report();
  const books = { entries, said, byProvider: await usageBy("provider", port) };
  const byTenant = await usageBy("tenant", port);
  const used = await usedBy(limitedTenant, port);
  const { found, promises } = judgeSums(answers, books);
  const isLimitKept = used > 0 && used === byTenant.get(limitedTenant);
  return outcomeOf("usage, OpenAI first", answers, {
    found: [`${left} left`, ...found, `account ${used} of ${byTenant.get(limitedTenant)} in the ledger`],
    promises: [...promises, { promise: "an account counts what the ledger does", isKept: isLimitKept }],
  });
}

export interface Lives {
  /** How often the isolates die. */
  readonly deaths: number;
  /** In each of their lives. */
  readonly requests: number;
}

/** How long before a death an answer must have ended for its entry to be sure. */
const sureAfterMs = 1_000;

/** The same with isolates that are killed in the midst of it, all at once: what they have written stays, and counts once. */
export async function sumsOfLives(setting: Setting, { deaths, requests }: Lives): Promise<Outcome> {
  setting.order("primary", "mixed");
  setting.order("secondary", "mixed");
  const next = mixedRequestsFrom(7, rpcsOf.openai);
  const sure: Judged[] = [];
  const unsure: Judged[] = [];
  for (let death = 0; death < deaths; death++) {
    const answers: Judged[] = [];
    const asking = askOrLeave(setting, next, requests, answers);
    while (answers.length < requests / 2) await pause(10);
    const sureCount = answers.length;
    await pause(sureAfterMs);
    unsure.push(...answers.slice(sureCount));
    await setting.restart();
    await asking;
    sure.push(...answers.slice(0, sureCount));
  }
  await askOrLeave(setting, next, requests, sure);
  const entries = await settledEntries(setting.objectsFolder);
  const { said } = await setting.report();
  const { found, promises } = judgeSums(sure, { entries, said, byProvider: await usageBy("provider", setting.port) });
  const written = new Set(entries.map(({ requestId }) => requestId));
  const right = unsure.filter(({ verdict }) => verdict === "right");
  const lost = right.filter(({ answered }) => !written.has(String(answered?.headers["x-request-id"]))).length;
  return outcomeOf(`usage, isolates that die ${deaths} times`, sure, {
    found: [...found, `${lost} of the ${right.length} answers of the last second before a death are not in the ledger`],
    promises,
  });
}

/** A third of the live streams of chat are left after their first token. */
async function askOrLeave({ ports }: Setting, next: () => Asked, requests: number, answers: Judged[]): Promise<number> {
  const roll = dice(6);
  const callers = ports.map((port) => caller(port, connections / ports.length));
  let toCome = requests;
  let left = 0;
  const run = async () => {
    while (toCome-- > 0) {
      const asked = next();
      const { ask, askAndLeave } = roll.pick(callers);
      if (asked.delivery === "live" && !asked.rpc && roll() < 1 / 3) {
        left++;
        await askAndLeave(asked, roll.pick(["close", "reset"]));
      } else answers.push(judged(asked, await ask(asked)));
    }
  };
  await Promise.all(Array.from({ length: connections }, run));
  for (const { close } of callers) close();
  return left;
}

/** Between two looks; entries are written within a fraction of it. */
const betweenLooksMs = 2_000;

/** The entries once no more of them come. */
async function settledEntries(objectsFolder: string): Promise<readonly Written[]> {
  for (let seen: readonly Written[] = []; ; ) {
    await pause(betweenLooksMs);
    const entries = entriesIn(objectsFolder);
    if (entries.length === seen.length) return entries;
    seen = entries;
  }
}
