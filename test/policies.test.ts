import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../src/config/load.ts";
import { tenantAccount, userAccount } from "../src/policy/holders.ts";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { tokensEach } from "./support/limits.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

/** A gateway for the platform's users, who call with tokens, in a tenant of its own. */
function platform(policies: (tenant: string) => object[] = () => []) {
  const tenant = crypto.randomUUID();
  const settings = {
    ...onlyOpenAi,
    JWT_SECRET: secret,
    QINGYU_AUTH_JWT_TENANT: tenant,
    AI_POLICIES: policies(tenant),
  };
  const { send } = testApp({ settings, network: fakeOpenAi().network });
  const as = async (user: string, roles: readonly string[] = []) => {
    const headers = bearer(await signed({ claims: { user_id: user, sub: user, roles } }));
    return (surface: (typeof surfaces)[number], text: string = crypto.randomUUID(), stream = false) => {
      const { path, init } = requestTo(surface, stream, text);
      return send(path, { ...init, headers: { ...init.headers, ...headers } });
    };
  };
  const accountOf = (user: string) => env.ACCOUNTS.getByName(userAccount(tenant, user));
  return { tenant, as, accountOf, ofTenant: env.ACCOUNTS.getByName(tenantAccount(tenant)) };
}

describe("the platform's users", () => {
  it.each([
    [[], "10000"],
    [["reader", "author"], "10000"],
    [["vip"], "100000"],
    [["VIP", "reader"], "100000"],
    [["vip", "admin"], "999999"],
  ])("have, with the roles %o, %s tokens a day", async (roles, total) => {
    const ask = await platform().as("u", roles);
    expect((await ask("openai")).headers.get("x-ratelimit-limit-tokens")).toBe(total);
  });

  it("are counted each for himself", async () => {
    const { as, accountOf } = platform();
    const [a, b] = [await as("a"), await as("b")];
    await Promise.all([a("openai"), a("qingyu", "x", true), b("connect")]);
    expect((await accountOf("a").quota("a", {}, false)).used).toBe(2 * tokensEach);
    expect((await accountOf("b").quota("b", {}, false)).used).toBe(tokensEach);
  });
});

describe("whose policy holds", () => {
  it("is the first whose role one has, then the tenant's for all of it together", async () => {
    const { as, accountOf, ofTenant } = platform((tenant) => [
      { tenant, tokensPerDay: 5_000 },
      { tenant, role: "vip", tokensPerDay: 70_000 },
      { tenant, role: "admin", tokensPerDay: 80_000 },
      { tenant: "another", role: "admin", tokensPerDay: 1 },
    ]);
    const limit = async (user: string, roles: readonly string[]) =>
      (await (await as(user, roles))("openai")).headers.get("x-ratelimit-limit-tokens");
    expect(await limit("a", ["admin", "vip"])).toBe("70000");
    expect(await limit("b", ["reader"])).toBe("5000");
    expect(await limit("c", [])).toBe("5000");
    expect((await accountOf("a").quota("a", {}, false)).used).toBe(tokensEach);
    expect((await ofTenant.quota(undefined, {}, false)).used).toBe(2 * tokensEach);
  });

  it("may be one without limits, which asks nobody", async () => {
    const { as } = platform((tenant) => [{ tenant, role: "staff" }]);
    const { status, headers } = await (await as("a", ["staff"]))("openai");
    expect([status, headers.get("x-ratelimit-limit-tokens")]).toEqual([200, null]);
  });
});

describe("a refusal", () => {
  const refusals = {
    exhausted: {
      status: 429,
      openai: { type: "insufficient_quota", code: "insufficient_quota" },
      connect: "resource_exhausted",
    },
    suspended: {
      status: 403,
      openai: { type: "permission_error", code: "quota_suspended" },
      connect: "permission_denied",
    },
  } as const;
  const cases = surfaces.flatMap((surface) =>
    [false, true].flatMap((stream) => (["exhausted", "suspended"] as const).map((why) => ({ surface, stream, why }))),
  );

  it.each(cases)(
    "$why is told on $surface (stream $stream), and nothing is spent",
    async ({ surface, stream, why }) => {
      const { as, accountOf } = platform();
      const account = accountOf("u");
      if (why === "exhausted") await account.grant({ total: 0, type: "daily" }, "u", {});
      else await account.suspend("u");
      const { status, text, headers, log } = await (await as("u"))(surface, "x", stream);
      const { openai, connect, ...told } = refusals[why];
      const isFramed = surface === "connect" && stream;
      expect(status).toBe(isFramed ? 200 : told.status);
      expect(headers.get("x-ratelimit-limit-tokens")).toBe(why === "exhausted" ? "0" : "10000");
      expect(log.join()).toContain(`"refusal":"${why === "exhausted" ? "tokens" : "suspended"}"`);
      const body: unknown = JSON.parse(text.slice(text.indexOf("{")));
      if (surface === "openai") expect(at(body, "error")).toMatchObject(openai);
      if (surface === "connect") expect(at(isFramed ? at(body, "error") : body, "code")).toBe(connect);
      if (surface === "qingyu") {
        expect(body).toStrictEqual({
          code: told.status,
          message: expect.any(String),
          error: openai.code,
          timestamp: expect.any(Number),
          request_id: headers.get("x-request-id"),
        });
      }
      if (why === "exhausted" && !isFramed) expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      if (!isFramed) expect(headers.get("x-should-retry")).toBe("false");
      expect((await account.quota("u", {}, false)).used).toBe(0);
    },
  );

  it("for what is under way has the platform's code 4290, and says to ask again soon", async () => {
    const { as, accountOf } = platform();
    const [tokens, endsMs] = [10_000, Date.now() + 60_000];
    const policy = { tokensPerDay: tokens };
    await accountOf("u").reserve("other", { policy, user: "u", tokens, isGuess: true, cost: 0, endsMs });
    const { status, json, headers } = await (await as("u"))("qingyu");
    expect([status, headers.get("retry-after"), headers.get("x-should-retry"), json()]).toMatchObject([
      429,
      "2",
      null,
      { code: 4290, error: "rate_limit_exceeded", message: "剩余的额度已被正在进行的请求占用，请等它们完成后再试。" },
    ]);
  });

  it("of a policy has the platform's code 3010, and of a rate 4290", async () => {
    const codeOf = async (policy: object) => {
      const { as } = platform((tenant) => [{ tenant, ...policy }]);
      const { status, json } = await (await as("u"))("qingyu");
      return [status, at(json(), "code"), at(json(), "error"), at(json(), "data")];
    };
    expect(await codeOf({ tokensPerDay: 0 })).toEqual([429, 3010, "insufficient_quota", null]);
    expect(await codeOf({ requestsPerMinute: 0 })).toEqual([429, 4290, "rate_limit_exceeded", null]);
    expect(await codeOf({ concurrent: 0 })).toEqual([429, 4290, "rate_limit_exceeded", null]);
  });

  it("holds for a suspended user whoever's policy holds for him, and ends", async () => {
    const { as, ofTenant } = platform((tenant) => [{ tenant, tokensPerDay: 5_000 }]);
    await ofTenant.suspend("u");
    const [u, v] = [await as("u"), await as("v")];
    expect([(await u("openai")).status, (await v("openai")).status]).toEqual([403, 200]);
    await ofTenant.activate("u");
    expect((await u("openai")).status).toBe(200);
  });
});

describe("money", () => {
  const prices = JSON.stringify({ "gpt-*": { input: 100_000, output: 200_000, currency: "CNY" } });

  function scene(costPerMonth: number) {
    const tenant = "development";
    const settings = { ...onlyOpenAi, AI_PRICES: prices, AI_POLICIES: [{ tenant, costPerMonth }] };
    const { post } = testApp({ network: fakeOpenAi().network, settings });
    const ask = (model: string) => {
      const messages = [{ role: "user", content: crypto.randomUUID() }];
      return post("/v1/chat/completions", { model, max_tokens: 9, messages });
    };
    return { ask, account: env.ACCOUNTS.getByName(tenantAccount(tenant)) };
  }

  it("is counted by the prices, and refused once it does not suffice", async () => {
    const { ask, account } = scene(6);
    const [first, refused] = [await ask("gpt-4o"), await ask("gpt-4o")];
    expect([first.status, refused.status, at(refused.json(), "error", "code")]).toEqual([
      200,
      429,
      "insufficient_quota",
    ]);
    // 11 tokens of the prompt and 7 of the answer.
    const left = 6 - 11 * 0.1 - 7 * 0.2;
    const probe = (cost: number) =>
      account.reserve(crypto.randomUUID(), {
        policy: { costPerMonth: 6 },
        tokens: 1,
        isGuess: false,
        cost,
        endsMs: Date.now() + 60_000,
      });
    expect(await probe(left + 0.1)).toMatchObject({ refusal: "cost" });
    expect(await probe(left)).toHaveProperty("held");
  });

  it("is not lent for a model that has no price", async () => {
    const { status, json } = await scene(6).ask("o3");
    expect([status, at(json(), "error", "code")]).toEqual([403, "model_without_price"]);
  });

  it.each([
    ["prices", undefined],
    [
      "one currency",
      JSON.stringify({ a: { input: 1, output: 1, currency: "CNY" }, b: { input: 1, output: 1, currency: "USD" } }),
    ],
  ])("is no limit without %s", (_, given) => {
    const { problems } = loadConfig({ AI_POLICIES: [{ tenant: "a", costPerMonth: 1 }], AI_PRICES: given });
    expect(problems).toMatchObject([
      { reason: "limits what is spent, for which usage.prices must be in one currency" },
    ]);
  });
});

describe("the setting", () => {
  const AI_PRICES = JSON.stringify({ "*": { input: 1, output: 1, currency: "CNY" } });
  const policy = {
    tenant: "acme",
    role: "vip",
    models: ["gpt-*"],
    requestsPerMinute: 0,
    concurrent: 1,
    tokensPerDay: 2,
    costPerMonth: 0.5,
  };

  it("is a list in TOML or as JSON text, with references in its texts", () => {
    const read = [policy, { tenant: "acme" }];
    expect(loadConfig({ AI_PRICES, AI_POLICIES: read }).config?.policies).toEqual(read);
    expect(loadConfig({ AI_PRICES, AI_POLICIES: JSON.stringify(read) }).config?.policies).toEqual(read);
    expect(
      loadConfig({ WHO: "b", QINGYU_POLICIES: [{ tenant: "${WHO}" }], AI_POLICIES: read }).config?.policies,
    ).toEqual([{ tenant: "b" }]);
    expect(loadConfig({ AI_POLICIES: " " }).config?.policies).toEqual([]);
  });

  it.each([
    ["an unknown member", [{ ...policy, rpm: 1 }], "entry 1: unknown 'rpm'"],
    ["no tenant", [policy, { role: "vip" }], "entry 2: 'tenant' is missing"],
    ["a tenant that is none", [{ tenant: "a b" }], "entry 1: 'tenant' is not valid"],
    ["an empty list of models", [{ tenant: "a", models: [] }], "entry 1: 'models' is not valid"],
    ["a limit below nothing", [{ tenant: "a", tokensPerDay: -1 }], "entry 1: 'tokensPerDay' is not valid"],
    ["a part of a request", [{ tenant: "a", requestsPerMinute: 1.5 }], "entry 1: 'requestsPerMinute' is not valid"],
    ["a number as text", [{ tenant: "a", concurrent: "2" }], "entry 1: 'concurrent' is not valid"],
    ["two for one", [policy, policy], "entry 2: there is a policy for its tenant and role already"],
    ["something that is no table", ["x"], "entry 1: is not a table"],
    ["something that is no list", "acme", "is not a list"],
    ["torn JSON", "[{", "is not a list"],
  ])("refuses %s", (_, list, reason) => {
    expect(loadConfig({ AI_PRICES, AI_POLICIES: list }).problems).toMatchObject([{ reason }]);
  });

  it("tells of every problem at once", () => {
    const { problems = [] } = loadConfig({ AI_POLICIES: [{ tenant: "", concurrent: -1 }, { rpm: 1 }] });
    expect(problems.length).toBe(4);
  });
});
