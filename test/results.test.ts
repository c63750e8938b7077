import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256Hex, type TestAppOptions, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { restarted } from "./support/restarted.ts";
import { bearer, secret, signed } from "./support/tokens.ts";
import { writerSettings, writers } from "./support/writers.ts";

/*
 * What was found in a text, asked for again by its id. An isolate here is an app of its own; all share the objects that keep
 * results.
 */

const proofreadPath = "/api/v1/ai/writing/proofread";
const checkPath = "/api/v1/ai/audit/sensitive-words";
const suggestionPath = (id: unknown) => `/api/v1/ai/writing/suggestions/${String(id)}`;
const keptPath = (id: unknown) => `${checkPath}/${String(id)}`;
const says = {
  issues: [
    {
      ...{ type: "spelling", severity: "error", message: "错字", originalText: "纸散", explanation: "雨具写作伞" },
      ...{ suggestions: [{ text: "纸伞", confidence: 0.9, reason: "音近" }], rule: "词典" },
    },
    { type: "style", originalText: "夜雨" },
  ],
  sensitiveWords: [{ word: "青石", category: "political" }],
};
const content = "夜雨落在青石巷，少年收起纸散。\n他归。";

const startMs = Date.UTC(2026, 10, 20, 12);
const dayMs = 86_400_000;
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: startMs }));
afterEach(() => void vi.useRealTimers());

function isolate({ settings, ...options }: TestAppOptions = {}) {
  const { network, visits } = writers([{ says }]);
  const usual = { ...writerSettings("openai"), JWT_SECRET: secret };
  const { post, send } = testApp({ network, ...options, settings: { ...usual, ...settings } });
  return {
    visits,
    post: async (path: string, body: object, headers: Record<string, string>) => {
      const answer = await post(path, body, headers);
      return { answer, data: at(answer.json(), "data") };
    },
    get: async (path: string, headers: Record<string, string>) => await send(path, { headers }),
  };
}

/** A user whom no other test has. */
let users = 0;
const newUser = async () => bearer(await signed({ claims: { user_id: `results-${++users}` } }));
const ofTenant = async (user: string, tenant: string) =>
  bearer(await signed({ claims: { user_id: user, tenant_id: tenant } }));

it.each([
  ["no-store", null],
  ["max-age=0, No-Store", null],
  ["no-cache", "2026-12-20T12:00:00.000Z"],
])("with %s a result is kept until %s", async (directives, expiresAt) => {
  const headers = { ...(await newUser()), "cache-control": directives };
  for (const path of [proofreadPath, checkPath]) {
    const { data } = await isolate().post(path, { content }, headers);
    expect(data).toMatchObject({ expiresAt });
    const found = path === checkPath ? keptPath(at(data, "checkId")) : suggestionPath(at(data, "issues", 0, "id"));
    expect((await isolate().get(found, headers)).status).toBe(expiresAt === null ? 404 : 200);
  }
});

describe("a suggestion", () => {
  it("is there as soon as its issue was told, in every isolate, for thirty days", async () => {
    const user = await newUser();
    const { data } = await isolate().post(proofreadPath, { content }, user);
    expect(at(data, "expiresAt")).toBe("2026-12-20T12:00:00.000Z");
    const [style, spelling] = [0, 1].map((index) => at(data, "issues", index, "id"));
    const { get } = isolate();
    const answer = await get(suggestionPath(spelling), user);
    expect([answer.status, answer.json()]).toMatchObject([200, { code: 0, message: "获取成功" }]);
    expect(at(answer.json(), "data")).toEqual({
      issueId: spelling,
      type: "spelling",
      severity: "error",
      message: "错字",
      position: { line: 1, column: 13, start: 12, end: 14, length: 2 },
      originalText: "纸散",
      suggestions: [{ text: "纸伞", confidence: 0.9, reason: "音近" }],
      category: "错别字",
      rule: "词典",
      explanation: "雨具写作伞",
      examples: ["夜雨落在青石巷，少年收起纸伞。"],
    });
    expect(at((await get(suggestionPath(style), user)).json(), "data")).toMatchObject({
      issueId: style,
      suggestions: [],
      examples: [],
    });
    vi.setSystemTime(startMs + 30 * dayMs - 1);
    const later = bearer(await signed({ claims: { user_id: `results-${users}` } }));
    expect((await get(suggestionPath(spelling), later)).status).toBe(200);
    vi.setSystemTime(startMs + 30 * dayMs);
    expect(
      (await get(suggestionPath(spelling), bearer(await signed({ claims: { user_id: `results-${users}` } })))).status,
    ).toBe(404);
  });
});

describe("a check for sensitive words", () => {
  it("is there with its text and all that was found", async () => {
    const user = await newUser();
    const { data } = await isolate().post(checkPath, { content, customWords: ["纸散"] }, user);
    const answer = await isolate().get(keptPath(at(data, "checkId")), user);
    expect([answer.status, answer.json()]).toMatchObject([200, { code: 0, message: "获取成功" }]);
    expect(at(answer.json(), "data")).toEqual({
      checkId: at(data, "checkId"),
      content,
      isSafe: false,
      matches: at(data, "sensitiveWords"),
      customWords: ["纸散"],
      summary: at(data, "summary"),
      createdAt: "2026-11-20T12:00:00.000Z",
      expiresAt: "2026-12-20T12:00:00.000Z",
    });
    expect(at(data, "expiresAt")).toBe("2026-12-20T12:00:00.000Z");
  });

  it("is there where nothing was found, and where the text is as long as it may be", async () => {
    const user = await newUser();
    const long = "𠀀".repeat(300_000);
    const { data } = await isolate().post(checkPath, { content: long, category: "adult" }, user);
    expect(data).toMatchObject({ isSafe: true, totalMatches: 0 });
    const kept = at((await isolate().get(keptPath(at(data, "checkId")), user)).json(), "data");
    expect([at(kept, "content") === long, at(kept, "isSafe"), at(kept, "matches")]).toEqual([true, true, []]);
  });
});

describe("an id", () => {
  it("is of use to its user only, and of use for what it names only", async () => {
    const owner = await ofTenant("u-9", "a");
    const others = {
      "another user": await ofTenant("u-8", "a"),
      "the same name in another tenant": await ofTenant("u-9", "b"),
      "a key of the tenant": bearer("key"),
    };
    const { post, get } = isolate({
      settings: { QINGYU_AUTH_JWT_TENANT_CLAIM: "tenant_id", GATEWAY_API_KEYS: `a:${await sha256Hex("key")}` },
    });
    const issue = at((await post(proofreadPath, { content }, owner)).data, "issues", 0, "id");
    const { checkId, reviewId, matchId } = {
      checkId: at((await post(checkPath, { content }, owner)).data, "checkId"),
      reviewId: at((await post(proofreadPath, { content }, owner)).data, "reviewId"),
      matchId: at((await post(checkPath, { content }, owner)).data, "sensitiveWords", 0, "id"),
    };
    expect([(await get(suggestionPath(issue), owner)).status, (await get(keptPath(checkId), owner)).status]).toEqual([
      200, 200,
    ]);
    expect((await get(suggestionPath(String(issue).toUpperCase()), owner)).status).toBe(200);
    const refused = [
      ...Object.entries(others).flatMap(([name, headers]) => [
        [name, suggestionPath(issue), headers] as const,
        [name, keptPath(checkId), headers] as const,
      ]),
      ["a check's id", suggestionPath(checkId), owner] as const,
      ["a review's id", suggestionPath(reviewId), owner] as const,
      ["an issue's id", keptPath(issue), owner] as const,
      ["a match's id", keptPath(matchId), owner] as const,
      ["nobody's id", keptPath(crypto.randomUUID()), owner] as const,
      ["no id", suggestionPath("x".repeat(200)), owner] as const,
    ];
    for (const [name, path, headers] of refused) {
      const answer = await get(path, headers);
      expect([name, answer.status, answer.json()]).toMatchObject([
        name,
        404,
        { code: 1004, error: "result_not_found", param: "id", data: null },
      ]);
    }
  });

  it("is another one for each user of one cached answer, and for who asks anew", async () => {
    const [one, other] = [await newUser(), await newUser()];
    const { post, get, visits } = isolate();
    const body = { content: `${content}缓存` };
    const ids: unknown[] = [];
    for (const user of [one, other, one]) ids.push(at((await post(proofreadPath, body, user)).data, "issues", 0, "id"));
    expect([visits.length, new Set(ids).size]).toEqual([1, 3]);
    const seen = await Promise.all(
      ids.flatMap((id) => [one, other].map(async (user) => (await get(suggestionPath(id), user)).status)),
    );
    expect(seen).toEqual([200, 404, 404, 200, 200, 404]);
  });

  it("is the same for who asks again under his key", async () => {
    const [one, other] = [await newUser(), await newUser()];
    const { post, get } = isolate();
    const key = { "idempotency-key": "again" };
    for (const [path, ids] of [
      [
        proofreadPath,
        (data: unknown) => [at(data, "reviewId"), at(data, "issues", 0, "id"), at(data, "issues", 1, "id")],
      ],
      [checkPath, (data: unknown) => [at(data, "checkId"), at(data, "sensitiveWords", 0, "id")]],
    ] as const) {
      const body = { content: `${content}${path}` };
      const headers = { ...key, "idempotency-key": `again${path}` };
      const [first, second, others] = [
        await post(path, body, { ...one, ...headers }),
        await post(path, body, { ...one, ...headers }),
        await post(path, body, { ...other, ...headers }),
      ].map(({ data }) => ids(data));
      expect(second).toEqual(first);
      expect(new Set([...(first ?? []), ...(others ?? [])]).size).toBe(2 * (first ?? []).length);
    }
    expect(
      (
        await get(
          suggestionPath(
            at(
              (
                await post(
                  proofreadPath,
                  { content: `${content}${proofreadPath}` },
                  { ...one, "idempotency-key": `again${proofreadPath}` },
                )
              ).data,
              "issues",
              0,
              "id",
            ),
          ),
          one,
        )
      ).status,
    ).toBe(200);
  });
});

describe("what is kept", () => {
  const keeper = (name: string) => env.RESULTS.get(env.RESULTS.idFromName(name));
  const result = (id: string, bytes = 1) => ({ id, partIds: [`${id}-part`], sealed: new Uint8Array(bytes).fill(7) });

  it("is as much as there may be of a user: the oldest make room", async () => {
    const stub = keeper("count");
    await runInDurableObject(stub, async (own) => {
      for (let index = 0; index < 502; index++) await own.keep(result(`r-${index}`));
    });
    expect(await Promise.all([0, 1, 2, 501].map(async (index) => (await stub.find(`r-${index}-part`))?.id))).toEqual([
      undefined,
      undefined,
      "r-2",
      "r-501",
    ]);
    const large = keeper("bytes");
    await runInDurableObject(large, async (own) => {
      for (let index = 0; index < 5; index++) await own.keep(result(`r-${index}`, 8 * 1024 * 1024));
    });
    const found = await Promise.all(
      [0, 1, 4].map(async (index) => (await large.find(`r-${index}`))?.sealed.byteLength),
    );
    expect(found).toEqual([undefined, 8 * 1024 * 1024, 8 * 1024 * 1024]);
  });

  it("is gone when its time is over", async () => {
    const stub = keeper("alarm");
    await stub.keep(result("first"));
    vi.setSystemTime(startMs + dayMs);
    await stub.keep(result("second"));
    const tables = () =>
      runInDurableObject(stub, (_, { storage }) =>
        ["results", "pieces", "parts"].map(
          (table) => storage.sql.exec(`select count(*) as count from ${table}`).one().count,
        ),
      );
    expect(await tables()).toEqual([2, 2, 2]);
    vi.setSystemTime(startMs + 30 * dayMs);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await tables()).toEqual([1, 1, 1]);
    expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).toBe(startMs + 31 * dayMs);
    vi.setSystemTime(startMs + 31 * dayMs);
    await runDurableObjectAlarm(stub);
    expect(await tables()).toEqual([0, 0, 0]);
    await stub.keep(result("third"));
    expect((await stub.find("third"))?.id).toBe("third");
  });

  it.each([
    [{ QINGYU_CACHE_ENCRYPTION_KEY: "s".repeat(32) }, false],
    [{}, true],
  ])("stands in clear only where nothing encrypts it: %j", async (settings, isClear) => {
    const user = await newUser();
    const { post, get } = isolate({ settings });
    const id = at((await post(checkPath, { content: `${content}密` }, user)).data, "checkId");
    const stub = keeper(JSON.stringify(["qingyu", `results-${users}`]));
    const found = await stub.find(String(id));
    expect(new TextDecoder().decode(found?.sealed).includes("青石")).toBe(isClear);
    expect((await get(keptPath(id), user)).status).toBe(200);
    const other = isolate({ settings: { QINGYU_CACHE_ENCRYPTION_KEY: "t".repeat(32) } });
    expect((await other.get(keptPath(id), user)).status).toBe(404);
  });
});

/** Objects that never answer, or fail. */
function bad(answer: () => Promise<never>): typeof env.RESULTS {
  return new Proxy(env.RESULTS, {
    get: (all, name) => (name === "get" ? () => ({ keep: answer, find: answer }) : Reflect.get(all, name).bind(all)),
  });
}

describe.each<[string, TestAppOptions["results"]]>([
  ["are not there", null],
  ["fail", bad(() => Promise.reject(new Error("no")))],
])("where the objects that keep results %s", (_, results) => {
  it("a text is checked all the same, and it is said that nothing is kept", async () => {
    const user = await newUser();
    const { post, get } = isolate({ results });
    const { answer, data } = await post(checkPath, { content: `${content}坏` }, user);
    expect([answer.status, data]).toMatchObject([200, { totalMatches: 1, expiresAt: null }]);
    expect(answer.log.join("")).not.toContain("青石");
    const found = await get(keptPath(at(data, "checkId")), user);
    expect([found.status, found.json()]).toMatchObject([503, { code: 5002, error: "results_unavailable" }]);
  });
});

it("what an object keeps that is restarted just then is kept and found all the same", async () => {
  const user = await newUser();
  const { post, get } = isolate({ results: restarted(env.RESULTS) });
  const { data } = await post(checkPath, { content: `${content}重` }, user);
  expect(at(data, "expiresAt")).not.toBeNull();
  expect((await get(keptPath(at(data, "checkId")), user)).status).toBe(200);
});
