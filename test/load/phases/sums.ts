import { setTimeout as pause } from "node:timers/promises";
import { entriesIn, operators, usageBy, usedBy, type Written } from "../books.ts";
import { caller } from "../caller.ts";
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
  const { answers, left } = await askOrLeave(setting, requests);
  await setting.log.of(requests);
  const { port, objectsFolder } = setting;
  const entries = await settledEntries(objectsFolder);
  const { said } = await setting.report();
  const books = { entries, said, byProvider: await usageBy("provider", port) };
  const byTenant = await usageBy("tenant", port);
  const used = await usedBy(limitedTenant, port);
  const { found, promises } = judgeSums(answers, books);
  const isLimitKept = used > 0 && used === byTenant.get(limitedTenant);
  return outcomeOf("books", answers, {
    found: [`${left} left`, ...found, `account ${used} of ${byTenant.get(limitedTenant)} in the ledger`],
    promises: [...promises, { promise: "an account counts what the ledger does", isKept: isLimitKept }],
  });
}

/** A third of the live streams of chat are left after their first token. */
async function askOrLeave({ ports }: Setting, requests: number): Promise<{ answers: Judged[]; left: number }> {
  const next = mixedRequestsFrom(5, rpcsOf.openai);
  const roll = dice(6);
  const callers = ports.map((port) => caller(port, connections / ports.length));
  const answers: Judged[] = [];
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
  return { answers, left };
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
