import { describe, expect, it, vi } from "vitest";
import { fakeOpenAi, onlyOpenAi, type TestAppOptions, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { ledgers } from "./support/ledger.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

const generate = "/api/v1/ai/generate";
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const startOfDay = (daysOn = 0) => new Date((Math.floor(Date.now() / 86_400_000) + daysOn) * 86_400_000).toISOString();

/** A tenant of its own, whose users ask with tokens. */
function scene(more: TestAppOptions = {}) {
  const tenant = `t${crypto.randomUUID().slice(0, 8)}`;
  const settings = { ...onlyOpenAi, JWT_SECRET: secret, QINGYU_AUTH_JWT_TENANT: tenant };
  const app = testApp({ network: fakeOpenAi().network, ledgers, settings, ...more });
  const as = async (user: string, ...roles: string[]) =>
    bearer(await signed({ claims: { user_id: user, sub: user, roles } }));
  return {
    ...app,
    as,
    write: (headers: Record<string, string>) =>
      app.post(generate, { projectId: "p", prompt: crypto.randomUUID() }, headers),
    get: async (path: string, headers: Record<string, string>) => {
      const { status, json } = await app.send(path, { headers: { ...headers, "x-request-id": "req-1" } });
      return [status, json()];
    },
  };
}

const answered = (data: unknown, message = "获取成功") => [
  200,
  { code: 0, message, data, timestamp: expect.any(Number), request_id: "req-1" },
];
const metadata = {
  userRole: "reader",
  membershipLevel: "normal",
  lastConsumedAt: time,
  totalConsumptions: 1,
  averagePerDay: 18,
};
const used = {
  id: "u-1:daily",
  userId: "u-1",
  quotaType: "daily",
  totalQuota: 10_000,
  usedQuota: 18,
  remainingQuota: 9_982,
  status: "active",
  resetAt: startOfDay(1),
  expiresAt: null,
  metadata,
  createdAt: time,
  updatedAt: time,
};

describe("a user's quota", () => {
  it("is what the platform gives him, less what he has used", async () => {
    const { as, get, write } = scene();
    const user = await as("u-1", "reader");
    const untouched = { ...metadata, lastConsumedAt: null, totalConsumptions: 0, averagePerDay: 0 };
    expect(await get("/api/v1/ai/quota", user)).toEqual(
      answered({ ...used, usedQuota: 0, remainingQuota: 10_000, metadata: untouched }),
    );
    await write(user);
    expect(await get("/api/v1/ai/quota", user)).toEqual(answered(used));
    expect(await get("/api/v1/ai/quota/all", user)).toEqual(answered([used]));
  });

  it("is no limit of a key that has none", async () => {
    const { get } = scene({ settings: onlyOpenAi });
    const none = { userRole: "user", membershipLevel: "normal", totalConsumptions: 0, averagePerDay: 0 };
    expect(await get("/api/v1/ai/quota", {})).toEqual(
      answered({
        ...{ id: "development:daily", userId: "development", quotaType: "daily", status: "active" },
        ...{ totalQuota: null, usedQuota: 0, remainingQuota: null, resetAt: null, expiresAt: null },
        ...{ metadata: { ...none, lastConsumedAt: null }, createdAt: null, updatedAt: null },
      }),
    );
  });

  it("has statistics of what is in the ledger", async () => {
    const { as, get, write, post } = scene();
    const user = await as("u-1");
    const statistics = {
      ...{ userId: "u-1", totalQuota: 10_000, usedQuota: 0, remainingQuota: 10_000, usagePercentage: 0 },
      ...{ totalTransactions: 0, dailyAverage: 0, quotaByType: { daily: 0 }, quotaByService: {} },
    };
    expect(await get("/api/v1/ai/quota/statistics", user)).toEqual(answered(statistics));
    await write(user);
    await write(user);
    await post("/v1/embeddings", { model: "text-embedding-3-small", input: "x" }, user);
    await write(await as("u-2"));
    expect(await get("/api/v1/ai/quota/statistics", user)).toEqual(
      answered({
        ...{ ...statistics, usedQuota: 41, remainingQuota: 9_959, usagePercentage: 0.41 },
        ...{ totalTransactions: 3, dailyAverage: 41, quotaByType: { daily: 41 } },
        quotaByService: { embed: 5, generate: 36 },
      }),
    );
  });

  it("has a transaction for each answer that was paid for, the latest first, with its balances", async () => {
    const { as, get, post } = scene();
    const user = await as("u-1");
    const write = (prompt: string, id: string) =>
      post(generate, { projectId: "p", prompt }, { ...user, "x-request-id": id });
    await write("one", "first");
    await write("two", "second");
    // From the cache.
    await write("two", "third");
    const transaction = (requestId: string, beforeBalance: number) => ({
      ...{ id: expect.any(String), userId: "u-1", quotaType: "daily", amount: 18, type: "consume", requestId },
      ...{ service: "generate", model: "gpt-upstream", description: "AI服务消费", timestamp: time },
      ...{ beforeBalance, afterBalance: beforeBalance - 18 },
    });
    const [second, first] = [transaction("second", 9_982), transaction("first", 10_000)];
    const path = "/api/v1/ai/quota/transactions";
    expect(await get(path, user)).toEqual(answered([second, first]));
    expect(await get(`${path}?limit=1`, user)).toEqual(answered([second]));
    expect(await get(`${path}?limit=1&offset=1`, user)).toEqual(answered([first]));
    expect(await get(`${path}?page=2&pageSize=1`, user)).toEqual(answered([first]));
    expect(await get(`${path}?limit=1000000&offset=2`, user)).toEqual(answered([]));
    expect(await get(path, await as("u-2"))).toEqual(answered([]));
  });

  it.each(["limit=0", "limit=-1", "limit=x", "limit=1.5", "offset=-1", "page=0", "pageSize=0"])(
    "has no transactions for %s",
    async (query) => {
      const { as, send } = scene();
      const { status, json } = await send(`/api/v1/ai/quota/transactions?${query}`, { headers: await as("u") });
      const param = query.split("=")[0];
      expect([status, at(json(), "code"), at(json(), "param")]).toEqual([400, 1001, param]);
    },
  );

  it("begins its balances anew with the day", async () => {
    const { as, get, write } = scene();
    const user = await as("u-1");
    await write(user);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
    try {
      const later = await as("u-1");
      await write(later);
      const [, said] = await get("/api/v1/ai/quota/transactions", later);
      expect([at(said, "data", 0, "beforeBalance"), at(said, "data", 1, "beforeBalance")]).toEqual([10_000, 10_000]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is 503 where the ledger does not answer", async () => {
    const { as, send } = scene({ ledgers: undefined });
    for (const path of ["statistics", "transactions"]) {
      const { status, json, headers } = await send(`/api/v1/ai/quota/${path}`, { headers: await as("u") });
      expect([status, at(json(), "code"), at(json(), "error"), headers.get("retry-after")]).toEqual([
        ...[503, 5002, "ledger_unavailable", "1"],
      ]);
    }
  });
});

describe("an administrator", () => {
  const path = "/api/v1/admin/quota/u-1";
  const others = { ...metadata, userRole: null, membershipLevel: null };

  it("sees a user's quota, gives him another, suspends him and lets him go on", async () => {
    const { as, get, write, send } = scene();
    const [user, admin] = [await as("u-1", "reader"), await as("root", "admin")];
    await write(user);
    expect(await get(path, admin)).toEqual(answered({ ...used, metadata: others }));

    const change = async (method: string, where: string, body?: object) => {
      const headers = { ...admin, "content-type": "application/json", "x-request-id": "req-1" };
      const { status, json } = await send(where, { method, headers, body: body && JSON.stringify(body) });
      return [status, json()];
    };
    const given = { ...used, id: "u-1:monthly", quotaType: "monthly", totalQuota: 50_000, remainingQuota: 49_982 };
    expect(await change("PUT", path, { totalQuota: 50_000, quotaType: "monthly", note: "unknown" })).toEqual(
      answered({ ...given, metadata: others, resetAt: time }, "操作成功"),
    );
    expect(await get("/api/v1/ai/quota", user)).toEqual(answered({ ...given, resetAt: time }));

    expect(await change("POST", `${path}/suspend`)).toEqual(answered(null, "操作成功"));
    expect((await write(user)).status).toBe(403);
    expect(await get("/api/v1/ai/quota", user)).toEqual(answered({ ...given, resetAt: time, status: "suspended" }));
    expect(await change("POST", `${path}/activate`)).toEqual(answered(null, "操作成功"));
    expect((await write(user)).status).toBe(200);
  });

  it.each([{}, { totalQuota: 1 }, { totalQuota: -1, quotaType: "daily" }, { totalQuota: 1, quotaType: "yearly" }])(
    "is told what is wrong with %j",
    async (body) => {
      const { as, send } = scene();
      const headers = { ...(await as("root", "admin")), "content-type": "application/json" };
      const { status, json } = await send(path, { method: "PUT", headers, body: JSON.stringify(body) });
      expect([status, at(json(), "code")]).toEqual([400, 1001]);
    },
  );

  it("is nobody without the role, and no key", async () => {
    const { as, send } = scene();
    const requests = [path, `${path}/suspend`, `${path}/activate`].map((where) => ({
      where,
      method: where === path ? "GET" : "POST",
    }));
    for (const { where, method } of [...requests, { where: path, method: "PUT" }]) {
      const { status, json } = await send(where, { method, headers: await as("u", "vip") });
      expect([where, status, at(json(), "code")]).toEqual([where, 403, 1003]);
    }
    const { send: sendOpen } = scene({ settings: onlyOpenAi });
    expect((await sendOpen(path)).status).toBe(403);
  });

  it("sees nothing of another tenant's user of the same name", async () => {
    const [one, two] = [scene(), scene()];
    await one.write(await one.as("u-1"));
    const [, said] = await two.get(path, await two.as("root", "admin"));
    expect(at(said, "data", "usedQuota")).toBe(0);
    const [, list] = await two.get("/api/v1/ai/quota/transactions", await two.as("u-1"));
    expect(at(list, "data")).toEqual([]);
  });
});
