import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { ledgerOf, ledgers } from "./support/ledger.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

const chat = "/v1/chat/completions";
const today = new Date().toISOString().slice(0, 10);

/** Two tenants with a key each, and an operator. */
async function scene() {
  const [one, two] = [crypto.randomUUID().slice(0, 8), crypto.randomUUID().slice(0, 8)]
    .map((id) => `t${id}`)
    .toSorted();
  const keys = await Promise.all([one, two].map(async (name) => `${name}:${await sha256Hex(`key-of-${name}`)}`));
  const app = testApp({
    network: fakeOpenAi().network,
    ledgers,
    settings: {
      ...onlyOpenAi,
      ...{ GATEWAY_API_KEYS: keys.join(","), GATEWAY_ADMIN_KEYS: `root:${await sha256Hex("root")}` },
      ...{ JWT_SECRET: secret, QINGYU_AUTH_JWT_TENANT: one },
      AI_PRICES: { "gpt-*": { input: 2.5, output: "10.000001", currency: "USD" } },
    },
  });
  const ask = (key: Record<string, string>, content: string = crypto.randomUUID()) =>
    app.post(chat, { messages: [{ role: "user", content }] }, key);
  const usage = async (query: string, headers: Record<string, string> = bearer("root")) => {
    const answer = await app.send(`/admin/usage?${query}`, { headers });
    return { ...answer, data: answer.status === 200 ? at(answer.json(), "data") : answer.json() };
  };
  return { ...app, one: String(one), two: String(two), ask, usage };
}

// 11 * 2.5 + 7 * 10.000001 millionths.
const amount = "0.000097500007";
const sums = {
  ...{ requests: 1, charged: 1, estimated: 0, unpriced: 0, promptTokens: 11, cachedTokens: 0, completionTokens: 7 },
  ...{ reasoningTokens: 0, totalTokens: 18, savedTokens: 0, costs: [{ currency: "USD", amount }] },
};

describe("GET /admin/usage", () => {
  it("tells an operator apart what he asks for, of one tenant or of all", async () => {
    const { one, two, ask, usage } = await scene();
    await ask(bearer(`key-of-${one}`), "again");
    await ask(bearer(`key-of-${one}`), "again");
    await ask(bearer(`key-of-${two}`));
    const own = { ...sums, requests: 2, savedTokens: 18 };
    expect((await usage(`tenant=${one}`)).json()).toEqual({
      from: new Date(Date.parse(today) - 29 * 86_400_000).toISOString().slice(0, 10),
      to: today,
      data: [{ day: today, ...own }],
    });
    expect((await usage(`tenant=${one}&group=model,provider`)).data).toEqual([
      { model: "gpt-upstream", provider: "openai", ...own },
    ]);
    const all = (await usage("group=tenant")).data;
    expect(all).toContainEqual({ tenant: one, ...own });
    expect(all).toContainEqual({ tenant: two, ...sums });
  });

  it("tells users apart, and an administrator of his own tenant only", async () => {
    const { one, two, ask, usage } = await scene();
    const token = async (user: string, ...roles: string[]) =>
      bearer(await signed({ claims: { user_id: user, sub: user, roles } }));
    await ask(await token("u-1"));
    await ask(bearer(`key-of-${one}`));
    await ask(bearer(`key-of-${two}`));
    const admin = await token("boss", "admin");
    expect((await usage("group=user", admin)).data).toEqual([
      { user: "", ...sums },
      { user: "u-1", ...sums },
    ]);
    expect((await usage(`group=tenant&tenant=${one}`, admin)).data).toEqual([
      {
        tenant: one,
        ...sums,
        requests: 2,
        charged: 2,
        promptTokens: 22,
        completionTokens: 14,
        totalTokens: 36,
        costs: [{ currency: "USD", amount: "0.000195000014" }],
      },
    ]);
    expect((await usage(`tenant=${two}`, admin)).status).toBe(403);
    expect((await usage("", await token("u-1"))).status).toBe(403);
    expect((await usage("", bearer(`key-of-${one}`))).status).toBe(403);
  });

  it("has only the days that are asked for", async () => {
    const { one, ask, usage } = await scene();
    await ask(bearer(`key-of-${one}`));
    const range = (from: string, to: string) => usage(`tenant=${one}&from=${from}&to=${to}`);
    expect((await range(today, today)).data).toHaveLength(1);
    expect((await range("2026-01-01", "2026-01-02")).data).toEqual([]);
  });

  it.each([
    ["from=2026-01-02&to=2026-01-01", "from"],
    ["from=2025-01-01&to=2026-01-02", "from"],
    ["from=yesterday", "from"],
    ["to=2026-13-01", "to"],
    ["group=key", "group"],
    ["group=model,,day", "group"],
    ["group=", "group"],
    ["tenant=a%20b", "tenant"],
  ])("refuses %s", async (query, param) => {
    const { status, data } = await (await scene()).usage(query);
    expect([status, at(data, "error", "code"), at(data, "error", "param")]).toEqual([400, "invalid_value", param]);
  });

  it("says that a cost is not known, and not nothing", async () => {
    const { one, usage } = await scene();
    const entry = (id: string, currency?: string) => ({
      ...{ id, atMs: Date.now(), requestId: "r", operation: "generate", model: "m", provider: "p" },
      ...{ source: "provider" as const, outcome: "complete" as const, isEstimated: true, tokens: { total: 5 } },
      ...(currency && { cost: { currency, micros: 999_999, picos: 999_999 } }),
    });
    const known = {
      ...sums,
      estimated: 1,
      unpriced: 1,
      promptTokens: 0,
      completionTokens: 0,
      totalTokens: 5,
      costs: null,
    };
    await ledgerOf(one).write([entry("1")], 90);
    expect((await usage(`tenant=${one}&group=model`)).data).toEqual([{ model: "m", ...known }]);
    await ledgerOf(one).write([entry("2", "USD"), entry("3", "USD"), entry("4", "CNY")], 90);
    expect((await usage(`tenant=${one}&group=model`)).data).toEqual([
      {
        ...{ model: "m", ...known, requests: 4, charged: 4, estimated: 4, unpriced: 1, totalTokens: 20 },
        costs: [
          { currency: "CNY", amount: "0.999999999999" },
          { currency: "USD", amount: "1.999999999998" },
        ],
      },
    ]);
  });

  it("is CSV where that is asked for, in which no text is a formula", async () => {
    const { one, send } = await scene();
    const names = ["=1+1", "+a", "-a", "@a", "\t=a", 'a,"b"', "a\nb", "plain-1"];
    const entries = names.map((model, index) => ({
      ...{ id: String(index), atMs: Date.now(), requestId: "r", operation: "generate", model, provider: "p" },
      ...{ source: "provider" as const, outcome: "complete" as const, isEstimated: false, tokens: { total: 5 } },
      ...(index === 0 && { cost: { currency: "USD", micros: 1_500_000, picos: 0 } }),
    }));
    await ledgerOf(one).write(entries, 90);
    const asCsv = { ...bearer("root"), accept: "text/csv" };
    const { text, headers } = await send(`/admin/usage?tenant=${one}&group=model`, { headers: asCsv });
    expect(headers.get("content-type")).toBe("text/csv; charset=utf-8");
    const [priced, rest] = ["1,1,0,0,0,0,0,0,5,0,1.5", "1,1,0,1,0,0,0,0,5,0,"];
    expect(text).toBe(
      [
        "model,requests,charged,estimated,unpriced,promptTokens,cachedTokens,completionTokens,reasoningTokens,totalTokens,savedTokens,costUSD",
        ...[`'\t=a,${rest}`, `'+a,${rest}`, `'-a,${rest}`, `'=1+1,${priced}`, `'@a,${rest}`],
        ...[`"a\nb",${rest}`, `"a,""b""",${rest}`, `plain-1,${rest}`, ""],
      ].join("\r\n"),
    );
  });

  it("is refused where there are more groups than one answer holds", async () => {
    const { one, usage } = await scene();
    await ledgerOf(one).write([], 90);
    await runInDurableObject(ledgerOf(one), (_, { storage }) => {
      storage.sql.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 10000)
        INSERT INTO days SELECT ${Math.floor(Date.now() / 86_400_000)}, 'u' || i, 'm', 'p', 'o', '', 1, 1, 0, 1, 0, 0, 0, 0, 5, 0, 0, 0 FROM n`);
    });
    const { status, data } = await usage(`tenant=${one}&group=user`);
    expect([status, at(data, "error", "code")]).toEqual([400, "too_many_groups"]);
    expect((await usage(`tenant=${one}&group=model`)).data).toEqual([expect.objectContaining({ requests: 10_001 })]);
  });

  it("is refused where there are more tenants than are asked at once", async () => {
    const { usage } = await scene();
    const names = Array.from({ length: 101 }, (_, index) => `many-${index}`);
    const tenants = env.LEDGER_TENANTS.getByName("all");
    for (const name of names) await tenants.note(name);
    const { status, data } = await usage("");
    expect([status, at(data, "error", "code"), at(data, "error", "param")]).toEqual([
      400,
      "too_many_tenants",
      "tenant",
    ]);
  });
});
