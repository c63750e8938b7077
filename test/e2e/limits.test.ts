import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildBundle } from "../../bench/bundle.ts";
import { startSetting } from "../load/setting.ts";
import { keyOf, tenants } from "../load/tenants.ts";

/* Limits that callers in several isolates come to at once, in a workerd where each request has a context of its own. */

let script: string;
beforeAll(() => {
  script = buildBundle({ minify: true }).path;
});

const [tenant = ""] = tenants;
const authorization = `Bearer ${keyOf(tenant)}`;
/** Nothing ends here because the machine is busy. */
const patient = {
  QINGYU_DEADLINES_REQUEST_MS: "60000",
  QINGYU_DEADLINES_FIRST_TOKEN_MS: "60000",
  QINGYU_DEADLINES_IDLE_MS: "60000",
};

async function start(policy: object) {
  const AI_POLICIES = JSON.stringify([{ tenant, ...policy }]);
  const setting = await startSetting(script, {
    primary: "openai",
    isolates: 4,
    settings: { ...patient, AI_POLICIES },
  });
  onTestFinished(() => setting.stop());
  setting.order("primary", "slow");
  const [first = 0] = setting.ports;

  async function ask(index: number, more: object = {}) {
    const port = setting.ports[index % setting.ports.length];
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization },
      body: JSON.stringify({ user: tenant, messages: [{ role: "user", content: `问题 ${index}` }], ...more }),
    });
    await answer.text();
    return answer.status;
  }

  async function used(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${first}/api/v1/ai/quota`, { headers: { authorization } });
    const { data }: { data: { usedQuota: number } } = JSON.parse(await answer.text());
    return data.usedQuota;
  }
  return { setting, ask, used };
}

/** What the back ends say that an answer takes. */
const tokensEach = 18;
const everyone = Array.from({ length: 200 }, (_, index) => index);

describe("200 callers at once, in four isolates", () => {
  it.each([{}, { max_tokens: 7 }, { stream: true }])(
    "get no more than ten answers out of a budget for ten: %o",
    async (more) => {
      const { ask, used, setting } = await start({ tokensPerDay: 10 * tokensEach });
      const statuses = await Promise.all(everyone.map((index) => ask(index, more)));
      const admitted = statuses.filter((status) => status === 200).length;
      expect(admitted).toBeGreaterThan(0);
      expect(admitted).toBeLessThanOrEqual(10);
      expect(statuses.filter((status) => status === 429).length).toBe(200 - admitted);
      expect((await setting.report()).visits).toEqual({ primary: admitted });
      await expect.poll(used).toBe(admitted * tokensEach);
    },
  );

  it("are let in as often as their minute allows, and no more", async () => {
    const { ask, setting } = await start({ requestsPerMinute: 10 });
    const statuses = await Promise.all(everyone.map((index) => ask(index)));
    expect(statuses.filter((status) => status === 200).length).toBe(10);
    expect((await setting.report()).visits).toEqual({ primary: 10 });
  });

  it("are never more than three under way", async () => {
    const { ask, setting } = await start({ concurrent: 3 });
    const asking = Promise.all(everyone.map((index) => ask(index)));
    let [most, isOver] = [0, false];
    void asking.then(() => {
      isOver = true;
    });
    while (!isOver) most = Math.max(most, (await setting.report()).open);
    expect((await asking).filter((status) => status === 200).length).toBeGreaterThanOrEqual(3);
    expect(most).toBeLessThanOrEqual(3);
  });
});
