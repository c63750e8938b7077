import { env } from "cloudflare:workers";
import type { Hono } from "hono";
import { beforeAll, describe, expect, it } from "vitest";
import { tenantAccount } from "../src/policy/holders.ts";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";

/** What the fake provider says that each answer takes. */
const tokensEach = 18;
let keys = "";
let count = 0;
const headers = { authorization: "Bearer key" };

beforeAll(async () => {
  keys = await sha256Hex("key");
});

/** A gateway for one tenant of its own, who asks with the key `key` under this policy. */
function scene(policy: object, { network }: { network: Hono } = fakeOpenAi()) {
  const tenant = `t${count++}`;
  const app = testApp({
    network,
    settings: { ...onlyOpenAi, GATEWAY_API_KEYS: `${tenant}:${keys}`, AI_POLICIES: [{ tenant, ...policy }] },
  });
  const ask = (text: string, more: object = {}, sent: Record<string, string> = {}) =>
    app.post(
      "/v1/chat/completions",
      { model: "gpt-4o", messages: [{ role: "user", content: text }], ...more },
      { ...headers, ...sent },
    );
  const account = env.ACCOUNTS.getByName(tenantAccount(tenant));
  const used = async () => (await account.quota(undefined, {}, false)).used;
  return { tenant, app, ask, account, used };
}

describe("tokens of a day", () => {
  it("are counted as the provider says", async () => {
    const { ask, used } = scene({ tokensPerDay: 1_000 });
    await ask("a");
    await ask("b", { stream: true });
    expect(await used()).toBe(2 * tokensEach);
  });

  it("let no more in at once than there is room for", async () => {
    const { ask, used } = scene({ tokensPerDay: 10 * tokensEach });
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(`q${i}`, { max_tokens: 7 })));
    const admitted = answers.filter(({ status }) => status === 200).length;
    expect(admitted).toBeLessThanOrEqual(10);
    expect(admitted).toBeGreaterThan(0);
    expect(await used()).toBe(admitted * tokensEach);
  });
});
