import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeOpenAi, onlyOpenAi, type Sent, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

/*
 * Managed keys, from `/admin/keys` to the answer of whoever sends one. An isolate here is an app of its own; all of them
 * share the registries, as isolates do.
 */

const settings = {
  ...onlyOpenAi,
  GATEWAY_ADMIN_KEYS: `root:${await sha256Hex("root")},second:${await sha256Hex("second")}`,
  GATEWAY_API_KEYS: `static:${await sha256Hex("static")}`,
};
const chat = "/v1/chat/completions";
const question = { messages: [{ role: "user", content: "问" }] };
const as = (key: string) => ({ authorization: `Bearer ${key}` });
const root = as("root");

interface Counted {
  readonly namespace: typeof env.KEYS;
  /** Which objects were asked, in order. */
  readonly asked: string[];
}

/** The registries, and who of them is asked. */
function counted(namespace = env.KEYS): Counted {
  const asked: string[] = [];
  return {
    asked,
    namespace: new Proxy(namespace, {
      get: (all, name) =>
        name === "idFromName"
          ? (object: string) => {
              asked.push(object);
              return all.idFromName(object);
            }
          : Reflect.get(all, name).bind(all),
    }),
  };
}

/** An isolate: it shares nothing with another one but the registries. */
function isolate({ namespace, ...more }: { namespace?: typeof env.KEYS } & Record<string, unknown> = {}) {
  const { network, seen } = fakeOpenAi();
  const { post, send } = testApp({ network, settings: { ...settings, ...more }, keyRegistries: namespace ?? env.KEYS });
  return {
    post,
    send,
    seen,
    make: async (body: object) => made(await post("/admin/keys", body, root)),
    list: async (tenant: string) => at((await send(`/admin/keys?tenant=${tenant}`, { headers: root })).json(), "data"),
    rotate: async (id: string, overlapSeconds: number) =>
      await post(`/admin/keys/${id}/rotate`, { overlapSeconds }, root),
    revoke: async (id: string) => await send(`/admin/keys/${id}`, { method: "DELETE", headers: root }),
    ask: async (key: string) => await post(chat, question, as(key)),
  };
}

function made(sent: Sent): { id: string; key: string } {
  const [id, key] = [at(sent.json(), "id"), at(sent.json(), "key")];
  if (typeof id !== "string" || typeof key !== "string")
    throw new Error(`no key was made: ${sent.status} ${sent.text}`);
  return { id, key };
}

/** A tenant whom no other test has. */
const newTenant = () => `t-${crypto.randomUUID()}`;
const startMs = Date.UTC(2026, 10, 20, 12);

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: startMs }));
afterEach(() => void vi.useRealTimers());
const later = (ms: number) => vi.setSystemTime(Date.now() + ms);

describe("a key that was made", () => {
  it("is shown once, and lets its tenant in", async () => {
    const tenant = newTenant();
    const { post, send, ask } = isolate();
    const answer = await post("/admin/keys", { tenant, name: "写作", expiresInSeconds: 60 }, root);
    const { id, key } = made(answer);
    const shown = {
      id: expect.stringMatching(`^${tenant}_[0-9a-f]{16}$`),
      tenant,
      name: "写作",
      state: "active",
      createdAt: "2026-11-20T12:00:00.000Z",
      expiresAt: "2026-11-20T12:01:00.000Z",
      revokedAt: null,
      rotatedAt: null,
      overlapEndsAt: null,
      policy: null,
    };
    expect([answer.status, answer.headers.get("cache-control"), answer.json()]).toEqual([
      200,
      "private, no-store",
      { ...shown, key: expect.stringMatching(`^qk_${id}_[0-9a-f]{80}$`) },
    ]);
    const listed = await send(`/admin/keys?tenant=${tenant}`, { headers: root });
    expect([listed.status, listed.json()]).toEqual([200, { data: [shown] }]);
    const asked = await ask(key);
    expect([
      asked.status,
      at(
        asked.log.map((line) => JSON.parse(line)),
        0,
      ),
    ]).toMatchObject([200, { tenant, keyId: id }]);
    for (const text of [listed.text, ...answer.log, ...asked.log, ...listed.log])
      expect(text).not.toContain(key.slice(-80));
  });

  it("is at rest as a hash only", async () => {
    const tenant = newTenant();
    const { make, ask } = isolate();
    const { key } = await make({ tenant });
    await ask(key);
    const stub = env.KEYS.get(env.KEYS.idFromName(tenant));
    const dump = await runInDurableObject(stub, (_, { storage }) => {
      const tables = [...storage.sql.exec<{ name: string }>("select name from sqlite_master where type = 'table'")];
      return JSON.stringify([
        ...tables.flatMap(({ name }) => (name.startsWith("_cf") ? [] : [...storage.sql.exec(`select * from ${name}`)])),
        ...storage.kv.list(),
      ]);
    });
    expect(dump).toContain(await sha256Hex(key));
    expect(dump).not.toContain(key.slice(-80).slice(0, 64));
    expect(dump).not.toContain(key.slice(-16));
  });

  it("opens with x-api-key too, and for nobody who changes a letter of it", async () => {
    const { make, post, ask } = isolate();
    const { key } = await make({ tenant: newTenant() });
    expect((await post(chat, question, { "x-api-key": key })).status).toBe(200);
    for (const place of [3, key.length - 81, key.length - 50, key.length - 1]) {
      const other = key[place] === "0" ? "1" : "0";
      expect((await ask(key.slice(0, place) + other + key.slice(place + 1))).status).toBe(401);
    }
    for (const wrong of [key.toUpperCase(), key.slice(0, -1), `${key}0`, key.slice(3)]) {
      expect((await ask(wrong)).status).toBe(401);
    }
  });

  it("opens no administration", async () => {
    const tenant = newTenant();
    const { make, send, list } = isolate();
    const { id, key } = await make({ tenant });
    const answers = [
      await send(`/admin/keys?tenant=${tenant}`, { headers: as(key) }),
      await send(`/admin/keys/${id}`, { method: "DELETE", headers: as(key) }),
      await send("/admin/keys?tenant=static", { headers: as("static") }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(answers[0]?.json()).toMatchObject({ error: { type: "permission_error", code: "permission_denied" } });
    expect(at(await list(tenant), 0, "state")).toBe("active");
  });

  it("expires by the clock, also where it is remembered", async () => {
    const tenant = newTenant();
    const { make, ask, list } = isolate();
    const { key, id } = await make({ tenant, expiresInSeconds: 10 });
    later(9_999);
    expect((await ask(key)).status).toBe(200);
    later(1);
    expect([(await ask(key)).status, (await isolate().ask(key)).status]).toEqual([401, 401]);
    expect(await list(tenant)).toMatchObject([{ id, state: "expired" }]);
  });
});

describe("a key with a policy of its own", () => {
  it("is held to it, rotated or not, in every isolate", async () => {
    const tenant = newTenant();
    const policy = { models: ["gpt-*"], requestsPerMinute: 2 };
    const here = isolate();
    const { id } = await here.make({ tenant, policy });
    expect(await here.list(tenant)).toMatchObject([{ id, policy }]);
    const { key } = made(await here.rotate(id, 0));
    const other = await here.post(chat, { ...question, model: "claude-1" }, as(key));
    expect([other.status, here.seen]).toEqual([404, []]);
    const model = { ...question, model: "gpt-4o" };
    const fresh = { ...as(key), "cache-control": "no-store" };
    for (const status of [200, 200, 429]) expect((await isolate().post(chat, model, fresh)).status).toBe(status);
  });

  it("is made by operators only: it holds in the place of what they set for the tenant", async () => {
    const { post, send } = isolate({ JWT_SECRET: secret });
    const his = bearer(await signed({ claims: { roles: ["admin"] } }));
    const refused = await post("/admin/keys", { policy: {} }, his);
    expect([refused.status, at(refused.json(), "error", "param")]).toEqual([403, "policy"]);
    expect(at((await send("/admin/keys", { headers: his })).json(), "data")).toEqual([]);
  });
});

describe("a key that is revoked", () => {
  it("opens nothing here at once, and nothing elsewhere after 30 s", async () => {
    const tenant = newTenant();
    const [here, there] = [isolate(), isolate()];
    const { id, key } = await here.make({ tenant });
    expect([(await here.ask(key)).status, (await there.ask(key)).status]).toEqual([200, 200]);
    const revoked = await here.revoke(id);
    expect([revoked.status, revoked.json()]).toMatchObject([
      200,
      { id, state: "revoked", revokedAt: "2026-11-20T12:00:00.000Z" },
    ]);
    expect((await here.ask(key)).status).toBe(401);
    later(30_000);
    expect((await there.ask(key)).status).toBe(401);
    expect(at((await there.revoke(id)).json(), "revokedAt")).toBe("2026-11-20T12:00:00.000Z");
    expect(await there.list(tenant)).toMatchObject([{ id, state: "revoked" }]);
  });

  it("is not remembered by who asked for it before and hears of it after", async () => {
    const tenant = newTenant();
    const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = answering(async (find) => {
      const opened = await find();
      asked.resolve();
      await answer.promise;
      return opened;
    });
    const here = isolate({ namespace: slow });
    const { id, key } = await here.make({ tenant });
    const before = here.ask(key);
    await asked.promise;
    expect((await here.revoke(id)).status).toBe(200);
    answer.resolve();
    expect((await before).status).toBe(200);
    expect((await here.ask(key)).status).toBe(401);
  });

  it("stays so whatever else is made and revoked at the same time", async () => {
    const tenant = newTenant();
    const isolates = [isolate(), isolate(), isolate()];
    const rounds = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const [maker, revoker, asker] = [0, 1, 2].map((shift) => isolates[(index + shift) % 3] ?? isolate());
        const key = await maker?.make({ tenant, name: String(index) });
        if (index % 2 === 0) await revoker?.revoke(key?.id ?? "");
        return { isRevoked: index % 2 === 0, status: (await asker?.ask(key?.key ?? ""))?.status };
      }),
    );
    for (const { isRevoked, status } of rounds) expect(status).toBe(isRevoked ? 401 : 200);
    const states = (await isolate().list(tenant)) as { state: string }[];
    expect(states.map(({ state }) => state).sort()).toEqual([
      ...Array(15).fill("active"),
      ...Array(15).fill("revoked"),
    ]);
  });
});

describe("a key that is rotated", () => {
  it("opens beside the new one for the overlap", async () => {
    const tenant = newTenant();
    const [here, there] = [isolate(), isolate()];
    const { id, key: old } = await here.make({ tenant });
    await there.ask(old);
    const rotated = await here.rotate(id, 20);
    const { key } = made(rotated);
    expect([rotated.status, rotated.json()]).toMatchObject([
      200,
      { id, rotatedAt: "2026-11-20T12:00:00.000Z", overlapEndsAt: "2026-11-20T12:00:20.000Z" },
    ]);
    later(19_999);
    for (const each of [old, key]) expect((await here.ask(each)).status).toBe(200);
    later(1);
    expect([(await here.ask(old)).status, (await isolate().ask(old)).status, (await here.ask(key)).status]).toEqual([
      401, 401, 200,
    ]);
    expect(await here.list(tenant)).toMatchObject([{ id, overlapEndsAt: null }]);
    later(10_000);
    expect((await there.ask(old)).status).toBe(401);
  });

  it("opens nothing where there is no overlap", async () => {
    const here = isolate();
    const { id, key: old } = await here.make({ tenant: newTenant() });
    await here.ask(old);
    const { key } = made(await here.rotate(id, 0));
    expect([(await here.ask(old)).status, (await here.ask(key)).status]).toEqual([401, 200]);
  });

  it("is one key still: it is revoked with all that it ever was, and not rotated after", async () => {
    const here = isolate();
    const { id, key } = await here.make({ tenant: newTenant() });
    const keys = [key, made(await here.rotate(id, 60)).key, made(await here.rotate(id, 60)).key];
    expect(await Promise.all(keys.map(async (each) => (await here.ask(each)).status))).toEqual([200, 200, 200]);
    await here.revoke(id);
    expect(await Promise.all(keys.map(async (each) => (await here.ask(each)).status))).toEqual([401, 401, 401]);
    const again = await here.rotate(id, 60);
    expect([again.status, at(again.json(), "error", "code")]).toEqual([409, "key_inactive"]);
  });

  it("has eight that overlap at most", async () => {
    const here = isolate();
    const { id } = await here.make({ tenant: newTenant() });
    for (let times = 0; times < 8; times++) expect((await here.rotate(id, 60)).status).toBe(200);
    const refused = await here.rotate(id, 60);
    expect([refused.status, at(refused.json(), "error", "code")]).toEqual([409, "too_many_keys"]);
    expect((await here.rotate(id, 0)).status).toBe(200);
    expect((await here.rotate(id, 60)).status).toBe(200);
  });
});

describe("a registry", () => {
  it("that is slow is 503, never open and never 401; who was asked of before is still let in", async () => {
    const never = answering(() => new Promise(() => {}));
    const [fast, slow] = [isolate(), isolate({ namespace: never })];
    const { key } = await fast.make({ tenant: newTenant() });
    expect((await fast.ask(key)).status).toBe(200);
    await expectUnavailable(await slow.ask(key));
    expect(slow.seen).toEqual([]);
    expect((await fast.ask(key)).status).toBe(200);
  });

  it("that throws is 503, also for who administers", async () => {
    const { id, key } = await isolate().make({ tenant: newTenant() });
    const broken = new Proxy(env.KEYS, {
      get: (all, name) => (name === "get" ? () => fail() : Reflect.get(all, name).bind(all)),
    });
    const here = isolate({ namespace: broken });
    await expectUnavailable(await here.ask(key));
    await expectUnavailable(await here.post("/admin/keys", { tenant: "a" }, root));
    await expectUnavailable(await here.rotate(id, 0));
    await expectUnavailable(await here.revoke(id));
    await expectUnavailable(await here.send("/admin/keys?tenant=a", { headers: root }));
    expect((await here.post(chat, question, as("static"))).status).toBe(200);
  });

  it("that is not there is 503", async () => {
    const { key } = await isolate().make({ tenant: newTenant() });
    const { network } = fakeOpenAi();
    const { post } = testApp({ network, settings, keyRegistries: null });
    await expectUnavailable(await post(chat, question, as(key)));
  });

  it("that is restarted knows what it knew", async () => {
    const tenant = newTenant();
    const { make, revoke, ask } = isolate();
    const [kept, revoked] = [await make({ tenant }), await make({ tenant })];
    await revoke(revoked.id);
    for (const name of [tenant, ":sealing"]) await restart(name);
    expect([(await ask(kept.key)).status, (await isolate().ask(kept.key)).status]).toEqual([200, 200]);
    expect((await isolate().ask(revoked.key)).status).toBe(401);
  });

  it("is asked once in 30 s for a key, and in 5 s for one that opens nothing", async () => {
    const tenant = newTenant();
    const maker = isolate();
    const [good, bad] = [await maker.make({ tenant }), await maker.make({ tenant })];
    await maker.revoke(bad.id);
    const { namespace, asked } = counted();
    const here = isolate({ namespace });
    const askBoth = async () => [(await here.ask(good.key)).status, (await here.ask(bad.key)).status];
    expect([await askBoth(), await askBoth()]).toEqual([
      [200, 401],
      [200, 401],
    ]);
    expect(asked).toEqual([":sealing", tenant, tenant]);
    later(5_000);
    await askBoth();
    expect(asked).toHaveLength(4);
    later(25_000);
    await askBoth();
    expect(asked).toHaveLength(6);
  });

  it("is asked for no key that was never made: neither of no form nor of the right one", async () => {
    const { namespace, asked } = counted();
    const here = isolate({ namespace });
    const hex = (digits: number) => "0123456789abcdef".repeat(8).slice(0, digits);
    for (const key of [
      "qk_",
      "static2",
      `qk_a_${hex(80)}`,
      `qk_a b_${hex(16)}_${hex(80)}`,
      `qk_${"t".repeat(65)}_${hex(16)}_${hex(80)}`,
    ]) {
      expect((await here.ask(key)).status).toBe(401);
    }
    expect(asked).toEqual([]);
    const flood = Array.from(
      { length: 200 },
      () => `qk_${newTenant()}_${hex(16)}_${hex(64)}${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`,
    );
    for (const key of flood) expect((await here.ask(key)).status).toBe(401);
    expect(asked).toEqual([":sealing"]);
  });

  it("is not asked where a key of the settings or nothing is enough", async () => {
    const { namespace, asked } = counted();
    expect((await isolate({ namespace }).ask("static")).status).toBe(200);
    const open = isolate({ namespace, GATEWAY_API_KEYS: "", GATEWAY_ADMIN_KEYS: "" });
    for (const key of ["any", `qk_a_${"0".repeat(16)}_${"0".repeat(80)}`])
      expect((await open.ask(key)).status).toBe(200);
    expect((await open.send("/admin/keys?tenant=development")).status).toBe(403);
    expect(asked).toEqual([]);
  });
});

describe("an operator", () => {
  it("administers every tenant, is named in the log with what was done, and asks for no answers", async () => {
    const { post, send, make, seen } = isolate();
    const { id } = await make({ tenant: newTenant() });
    const done = await send(`/admin/keys/${id}`, { method: "DELETE", headers: { "x-api-key": "second" } });
    expect(JSON.parse(done.log[0] ?? "")).toMatchObject({
      status: 200,
      keyId: "second",
      tenant: "*",
      administered: id,
    });
    const refused = await Promise.all([
      post(chat, question, root),
      post("/api/v1/ai/generate", { projectId: "p", prompt: "问" }, root),
      post("/qingyu.ai.AIService/GenerateContent", { projectId: "p", prompt: "问" }, root),
      send("/v1/models", { headers: root }),
      send("/api/v1/ai/cache", { method: "DELETE", headers: root }),
    ]);
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
    expect(refused.map((sent) => at(sent.json(), "code") ?? at(sent.json(), "error", "type"))).toEqual([
      "permission_error",
      1003,
      "permission_denied",
      "permission_error",
      1003,
    ]);
    expect(seen).toEqual([]);
  });

  it("says whose keys he means", async () => {
    const { post, send } = isolate();
    const answers = [
      await post("/admin/keys", {}, root),
      await send("/admin/keys", { headers: root }),
      await send("/admin/keys?tenant=a%20b", { headers: root }),
    ];
    expect(answers.map((sent) => [sent.status, at(sent.json(), "error", "code")])).toEqual([
      [400, "missing_field"],
      [400, "missing_field"],
      [400, "invalid_value"],
    ]);
  });

  it.each([
    [{ tenant: "a", policy: 1 }, "invalid_value"],
    [{ tenant: "a", policy: { tokensPerHour: 1 } }, "unknown_field"],
    [{ tenant: "a", policy: { tokensPerDay: -1 } }, "invalid_value"],
    [{ tenant: "a", policy: { models: Array(20).fill("m".repeat(250)) } }, "invalid_value"],
    [{ tenant: "a", role: "admin" }, "unknown_field"],
    [{ tenant: "a", key: "mine" }, "unknown_field"],
    [{ tenant: "" }, "invalid_value"],
    [{ tenant: "*" }, "invalid_value"],
    [{ tenant: ":sealing" }, "invalid_value"],
    [{ tenant: "t".repeat(65) }, "invalid_value"],
    [{ tenant: "a", name: 1 }, "invalid_value"],
    [{ tenant: "a", name: "n".repeat(129) }, "invalid_value"],
    [{ tenant: "a", expiresInSeconds: 0 }, "invalid_value"],
    [{ tenant: "a", expiresInSeconds: 1.5 }, "invalid_value"],
    [{ tenant: "a", expiresInSeconds: 315_360_001 }, "invalid_value"],
    [{ tenant: "a", expiresInSeconds: null }, "invalid_value"],
    [[], "invalid_value"],
  ])("is told what is wrong with %j", async (body, code) => {
    const answer = await isolate().post("/admin/keys", body, root);
    expect([answer.status, at(answer.json(), "error", "code")]).toEqual([400, code]);
  });

  it("is told the first of many unknown members", async () => {
    const unknown = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field${index}`, 1]));
    const answer = await isolate().post("/admin/keys", { tenant: "a", ...unknown }, root);
    const told = expect.stringMatching(/^Unknown fields: field0, .*, field9, \.\.\.\.$/);
    expect(answer.json()).toMatchObject({ error: { message: told } });
  });

  it.each(["unknown", `${"x".repeat(65)}_0123456789abcdef`, "a_0123456789abcdef", "a_0123456789ABCDEF"])(
    "is told that %s is no key",
    async (id) => {
      const { rotate, revoke } = isolate();
      for (const answer of [await rotate(id, 0), await revoke(id)]) {
        expect([answer.status, at(answer.json(), "error", "code")]).toEqual([404, "key_not_found"]);
      }
    },
  );

  it.each([
    {},
    { overlapSeconds: -1 },
    { overlapSeconds: 2_592_001 },
    { overlapSeconds: "1" },
    { overlapSeconds: 0, x: 1 },
  ])("does not rotate by %j", async (body) => {
    const { make, post, ask } = isolate();
    const { id, key } = await make({ tenant: newTenant() });
    expect((await post(`/admin/keys/${id}/rotate`, body, root)).status).toBe(400);
    expect((await ask(key)).status).toBe(200);
  });
});

describe("a user with the role admin", () => {
  const settingsWithTokens = { JWT_SECRET: secret, QINGYU_AUTH_JWT_TENANT: "mine" };
  const administrator = async (claims = {}) =>
    bearer(await signed({ claims: { roles: ["user", "admin"], ...claims } }));

  it("administers his own tenant, named or not", async () => {
    const { post, send, ask } = isolate(settingsWithTokens);
    const his = await administrator();
    const { id, key } = made(await post("/admin/keys", { name: "his" }, his));
    expect(id).toMatch(/^mine_/);
    expect((await ask(key)).status).toBe(200);
    for (const path of ["/admin/keys", "/admin/keys?tenant=mine"]) {
      expect(at((await send(path, { headers: his })).json(), "data", 0, "id")).toBe(id);
    }
    const rotated = made(await post(`/admin/keys/${id}/rotate`, { overlapSeconds: 0 }, his));
    expect((await ask(rotated.key)).status).toBe(200);
    expect((await send(`/admin/keys/${id}`, { method: "DELETE", headers: his })).status).toBe(200);
    expect((await ask(rotated.key)).status).toBe(401);
  });

  it("administers no other, and nobody without the role administers any", async () => {
    const tenant = newTenant();
    const { namespace, asked } = counted();
    const here = isolate({ namespace, ...settingsWithTokens });
    const { id, key } = await isolate().make({ tenant });
    const user = await administrator({ roles: ["user", "Admin", "admin "] });
    for (const [headers, own] of [
      [await administrator(), tenant],
      [user, "mine"],
    ] as const) {
      const answers = [
        await here.post("/admin/keys", { tenant: own }, headers),
        await here.send(`/admin/keys?tenant=${own}`, { headers }),
        await here.post(`/admin/keys/${id}/rotate`, { overlapSeconds: 0 }, headers),
        await here.send(`/admin/keys/${id}`, { method: "DELETE", headers }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    }
    expect((await here.send("/admin/keys", { headers: user })).status).toBe(403);
    expect(asked).toEqual([]);
    expect((await here.ask(key)).status).toBe(200);
  });
});

describe("a gateway whose operators make the keys", () => {
  const edge = { "cf-ray": "8f0c1d2e3f4a5b6c-FRA" };
  const url = `https://gateway.example.com`;

  it("needs no others, wherever it is, and is open to nobody", async () => {
    const { post, send } = isolate({ ENVIRONMENT: "production", GATEWAY_API_KEYS: "" });
    expect((await post(`${url}${chat}`, question, edge)).status).toBe(401);
    const { key } = made(await post(`${url}/admin/keys`, { tenant: newTenant() }, { ...root, ...edge }));
    expect((await post(`${url}${chat}`, question, { ...as(key), ...edge })).status).toBe(200);
    const ready = await send(`${url}/health/ready`);
    expect([ready.status, at(ready.json(), "auth")]).toEqual([200, "api-key"]);
  });

  it("takes no key for an operator's and a tenant's", async () => {
    const hash = await sha256Hex("both");
    const { send } = isolate({ GATEWAY_API_KEYS: `a:${hash}`, GATEWAY_ADMIN_KEYS: `root:${hash}` });
    const ready = await send("/health/ready");
    expect(ready.status).toBe(503);
    expect(ready.text).toContain("GATEWAY_ADMIN_KEYS");
    expect(ready.text).not.toContain(hash);
  });
});

async function expectUnavailable(answer: Sent): Promise<void> {
  expect([answer.status, at(answer.json(), "error", "code")]).toEqual([503, "key_registry_unavailable"]);
  expect(answer.headers.get("retry-after")).toBe("1");
}

const fail = () => {
  throw new Error("gone");
};

/** Ends an object as the runtime does at any time. */
async function restart(name: string): Promise<void> {
  const stub = env.KEYS.get(env.KEYS.idFromName(name));
  await runInDurableObject(stub, (_, state) => state.abort()).catch(() => {});
}

/** Registries whose answers about keys come as `answer` has it. */
function answering(answer: (find: () => Promise<unknown>) => Promise<unknown>): typeof env.KEYS {
  return new Proxy(env.KEYS, {
    get: (all, name) =>
      name !== "get"
        ? Reflect.get(all, name).bind(all)
        : (id: DurableObjectId) => {
            const stub = all.get(id);
            return new Proxy(stub, {
              get: (object, method) =>
                method === "find"
                  ? (hash: string) => answer(async () => await object.find(hash))
                  : (...args: unknown[]) => Reflect.apply(Reflect.get(object, method), object, args),
            });
          },
  });
}
