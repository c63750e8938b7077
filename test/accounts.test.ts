import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Policy } from "../src/policy.ts";
import { at } from "./support/json.ts";
import { limitedScene, tokensEach } from "./support/limits.ts";

const minuteMs = 60_000;
const account = () => env.ACCOUNTS.getByName(crypto.randomUUID());

function asking(policy: Policy, tokens = 0, cost = 0) {
  return { policy, tokens, cost, isGuess: false, endsMs: Date.now() + minuteMs };
}

/** Sets the clock, which the objects of this isolate read too. */
function setTime(time: string): void {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(new Date(time));
}

afterEach(() => void vi.useRealTimers());

const outcome = (verdict: object) => ("refusal" in verdict ? verdict.refusal : "let in");

describe("a day and a month", () => {
  it.each([
    ["day", { tokensPerDay: 100 }, [100, 0], "2026-11-25T23:59:59.999Z", "2026-11-26T00:00:00.000Z", "tokens", 1],
    ["month", { costPerMonth: 5 }, [0, 5], "2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00.000Z", "cost", 1],
    [
      "month of a leap year",
      { costPerMonth: 5 },
      [0, 5],
      "2028-02-29T23:59:59.999Z",
      "2028-03-01T00:00:00.000Z",
      "cost",
      1,
    ],
    ["year", { costPerMonth: 5 }, [0, 5], "2026-12-31T23:59:59.000Z", "2027-01-01T00:00:00.000Z", "cost", 1_000],
  ] as const)(
    "%s ends with its last millisecond in UTC",
    async (_, policy, [tokens, cost], last, first, refusal, waitMs) => {
      const object = account();
      setTime(last);
      await object.reserve("a", asking(policy, tokens, cost));
      await object.settle("a", { tokens, cost });
      expect(await object.reserve("b", asking(policy, 1, 1))).toMatchObject({ refusal, retryAfterMs: waitMs });
      setTime(first);
      expect(outcome(await object.reserve("c", asking(policy, tokens, cost)))).toBe("let in");
    },
  );

  it("has what was let in during it, however late that ends", async () => {
    const object = account();
    setTime("2026-11-30T23:59:59.000Z");
    await object.reserve("a", asking({ tokensPerDay: 100, costPerMonth: 5 }, 100, 5));
    setTime("2026-12-01T00:00:01.000Z");
    expect(outcome(await object.reserve("b", asking({ tokensPerDay: 100, costPerMonth: 5 }, 100, 5)))).toBe("let in");
    await object.settle("a", { tokens: 90, cost: 4 });
    await object.settle("b", { tokens: 7, cost: 1 });
    expect(await object.quota(undefined, {}, false)).toMatchObject({ used: 7, tokensEver: 97, consumptions: 2 });
  });
});

describe("a minute", () => {
  it("has no more requests than are allowed, wherever it begins", async () => {
    const object = account();
    const policy = { requestsPerMinute: 2 };
    const ask = async (time: string) => {
      setTime(`2026-11-25T${time}Z`);
      return outcome(await object.reserve(crypto.randomUUID(), asking(policy)));
    };
    expect(await ask("10:00:00.000")).toBe("let in");
    expect(await ask("10:00:59.900")).toBe("let in");
    expect(await ask("10:00:59.950")).toBe("requests");
    expect(await ask("10:01:01.000")).toBe("let in");
    expect(await ask("10:01:59.800")).toBe("requests");
    expect(await ask("10:02:00.900")).toBe("let in");
  });
});

describe("what is under way", () => {
  const policy = { tokensPerDay: 100, costPerMonth: 5 };
  it.each([
    ["tokens", "a bound", asking(policy, 60), asking(policy, 60)],
    ["tokens", "a guess", { ...asking(policy, 600), isGuess: true }, { ...asking(policy, 600), isGuess: true }],
    ["cost", "a bound", asking(policy, 0, 3), asking(policy, 0, 3)],
    ["cost", "a guess", { ...asking(policy, 0, 30), isGuess: true }, { ...asking(policy, 0, 30), isGuess: true }],
  ])("leaves no room for a while, and is no quota that is used up: of %s, by %s", async (what, _, first, second) => {
    const object = account();
    await object.reserve("a", first);
    expect(await object.reserve("b", second)).toMatchObject({ refusal: "held", retryAfterMs: 2_000 });
    await object.settle("a", { tokens: 10, cost: 1 });
    expect(outcome(await object.reserve("c", second))).toBe("let in");
    await object.settle("c", { tokens: 90, cost: 4 });
    expect(outcome(await object.reserve("d", second))).toBe(what);
  });

  it("is not waited for where there would be no room without it", async () => {
    const object = account();
    await object.reserve("a", asking(policy, 60));
    expect(outcome(await object.reserve("b", asking(policy, 101)))).toBe("tokens");
    expect(outcome(await object.reserve("c", asking(policy, 0, 6)))).toBe("cost");
  });
});

describe("an account", () => {
  it("takes a question that is asked twice for one, and an answer too", async () => {
    const object = account();
    const policy = { tokensPerDay: 100, requestsPerMinute: 9 };
    await object.reserve("a", asking(policy, 60));
    expect(await object.reserve("a", asking(policy, 60))).toMatchObject({
      standing: { tokens: { remaining: 40 }, requests: { remaining: 8 } },
    });
    await object.settle("a", { tokens: 10, cost: 0 });
    await object.settle("a", { tokens: 10, cost: 0 });
    expect((await object.quota(undefined, policy, true)).used).toBe(10);
  });

  it("counts once what it was not asked for, whatever comes first", async () => {
    const object = account();
    const taken = { tokens: 10, cost: 0, unaskedAtMs: Date.now() };
    await object.settle("late", taken);
    await object.settle("late", taken);
    await object.reserve("late", asking({ tokensPerDay: 100 }, 60));
    expect(await object.reserve("b", asking({ tokensPerDay: 100 }, 90))).toHaveProperty("held");
    expect((await object.quota(undefined, {}, false)).used).toBe(10);
  });

  it("forgets nothing where it is restarted", async () => {
    const object = account();
    const policy = { tokensPerDay: 100, requestsPerMinute: 3, concurrent: 2 };
    await object.reserve("a", asking(policy, 10));
    await object.settle("a", { tokens: 10, cost: 0 });
    await object.reserve("b", asking(policy, 10));
    await object.reserve("c", asking(policy, 10));
    await evictDurableObject(object);
    expect(outcome(await object.reserve("d", asking(policy, 1)))).toBe("concurrent");
    await object.settle("b", { tokens: 5, cost: 0 });
    expect(outcome(await object.reserve("d", asking(policy, 1)))).toBe("requests");
    expect((await object.quota(undefined, policy, true)).used).toBe(15);
  });

  it("frees what nobody settles, and counts it all the same where somebody does so later", async () => {
    setTime("2026-11-25T10:00:00.000Z");
    const object = account();
    const policy = { tokensPerDay: 100, concurrent: 1 };
    await object.reserve("dead", asking(policy, 100));
    expect(outcome(await object.reserve("b", asking(policy, 1)))).toBe("concurrent");
    setTime("2026-11-25T10:01:00.000Z");
    expect(await runDurableObjectAlarm(object)).toBe(true);
    expect(outcome(await object.reserve("b", asking(policy, 100)))).toBe("let in");
    await object.settle("dead", { tokens: 42, cost: 0 });
    expect((await object.quota(undefined, policy, true)).used).toBe(42);
  });

  it("keeps nothing of requests a day after their end", async () => {
    setTime("2026-11-25T10:00:00.000Z");
    const object = account();
    await object.reserve("dead", asking({ tokensPerDay: 100 }, 100));
    for (const time of ["2026-11-25T10:01:00.000Z", "2026-11-26T10:01:00.000Z"]) {
      setTime(time);
      await runDurableObjectAlarm(object);
    }
    expect(await runInDurableObject(object, (_, { storage }) => [...storage.kv.list()].map(([key]) => key))).toEqual([
      "books",
    ]);
  });

  it("lets an administrator's total stand above the policy's, by the day, the month and for good", async () => {
    setTime("2026-11-25T10:00:00.000Z");
    const object = account();
    const policy = { tokensPerDay: 10 };
    await object.grant({ total: 100, type: "monthly" }, "u", policy);
    await object.reserve("a", asking(policy, 60));
    await object.settle("a", { tokens: 60, cost: 0 });
    const resetAtMs = Date.UTC(2026, 11, 1);
    expect(await object.quota("u", policy, true)).toMatchObject({
      type: "monthly",
      total: 100,
      used: 60,
      remaining: 40,
      resetAtMs,
    });
    setTime("2026-12-01T00:00:00.000Z");
    expect(await object.quota("u", policy, true)).toMatchObject({ used: 0, remaining: 100, status: "active" });
    expect(await object.grant({ total: 60, type: "total" }, "u", policy)).toMatchObject({
      ...{ type: "total", total: 60, used: 60, remaining: 0, status: "exhausted" },
      resetAtMs: undefined,
    });
    expect(await object.reserve("b", asking(policy, 1))).toMatchObject({ refusal: "tokens", retryAfterMs: undefined });
  });
});

describe("an account out of reach", () => {
  /** Accounts of which some questions come to nothing. */
  const spoiled = (spoil: (method: string, go: () => unknown) => unknown) =>
    new Proxy(env.ACCOUNTS, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : (id: DurableObjectId) =>
              new Proxy(all.get(id), {
                get:
                  (stub, method) =>
                  (...sent: unknown[]) =>
                    spoil(String(method), () => Reflect.get(stub, method)(...sent)),
              }),
    });
  const gone = () => spoiled(() => Promise.reject(new Error("gone")));
  const settings = { QINGYU_LIMITS_ON_UNREACHABLE: "allow" };

  it("refuses, and says so in the log", async () => {
    const { ask } = limitedScene({ tokensPerDay: 1_000 }, { accounts: gone() });
    const { status, json, log } = await ask("a");
    expect([status, at(json(), "error", "code")]).toEqual([503, "limits_unavailable"]);
    expect(log.join()).toContain('"limits":{"unreachable":"refuse"}');
  });

  it("lets through where the settings say so, and hears of it later", async () => {
    let isGone = true;
    const accounts = spoiled((method, go) => {
      if (method === "reserve" && isGone) throw new Error("gone");
      isGone = false;
      return go();
    });
    const { ask, used } = limitedScene({ tokensPerDay: 1_000 }, { accounts, settings });
    const { status, log, headers } = await ask("a");
    expect([status, headers.get("x-ratelimit-limit-tokens")]).toEqual([200, null]);
    expect(log.join()).toContain('"limits":{"unreachable":"allow"}');
    expect(await used()).toBe(tokensEach);
  });

  it("is asked once more where it fails, since it may have been restarted", async () => {
    let failures = 0;
    const accounts = spoiled((_, go) => {
      if (failures++ === 0) throw new Error("restarted");
      return go();
    });
    const { ask, used } = limitedScene({ tokensPerDay: 1_000 }, { accounts });
    expect((await ask("a")).status).toBe(200);
    expect(await used()).toBe(tokensEach);
  });

  it("is waited for no longer than a second, and gives back what it held too late", async () => {
    const late = Promise.withResolvers<void>();
    const accounts = spoiled(async (method, go) => {
      if (method === "reserve") await late.promise;
      return await go();
    });
    const { ask, account, used } = limitedScene({ tokensPerDay: 1_000 }, { accounts });
    const asked = ask("a", { max_tokens: 700 });
    setTimeout(() => late.resolve(), 1_100);
    expect((await asked).status).toBe(503);
    expect(await account.reserve("probe", asking({ tokensPerDay: 1_000 }, 1_000))).toHaveProperty("held");
    expect(await used()).toBe(0);
  });

  it("is told again what an answer took", async () => {
    let failures = 0;
    const accounts = spoiled((method, go) => {
      if (method === "settle" && failures++ < 2) throw new Error("busy");
      return go();
    });
    const { ask, used } = limitedScene({ tokensPerDay: 1_000 }, { accounts });
    await ask("a");
    expect(await used()).toBe(tokensEach);
  });
});
