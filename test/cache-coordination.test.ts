import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { onlyOpenAi, sha256Hex, type TestApp, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { completion } from "./upstreams/openai-answers.ts";

/*
 * What a tenant has had forgotten, and what a caller finds too old, in isolates that share one KV and are coordinated by
 * Durable Objects. An isolate here is an app of its own: what it knows, it has learnt through them.
 */

const path = "/v1/chat/completions";
const keys = await Promise.all(["one", "two"].map(async (name) => `${name}:${await sha256Hex(name)}`));
const coordinated = {
  ...onlyOpenAi,
  GATEWAY_API_KEYS: keys.join(","),
  QINGYU_CACHE_COORDINATE: "true",
  // What is here not in time is so because a test says it.
  QINGYU_CACHE_READ_TIMEOUT_MS: "10000",
};

afterEach(() => void vi.useRealTimers());

/** A provider that says how often it was asked, and holds back the answers that a test wants to come late. */
function provider() {
  let calls = 0;
  const asked = new Map<number, PromiseWithResolvers<void>>();
  const held = new Map<number, PromiseWithResolvers<boolean>>();
  const gate = <T>(gates: Map<number, PromiseWithResolvers<T>>, call: number) =>
    gates.getOrInsertComputed(call, () => Promise.withResolvers<T>());
  const network = new Hono().post(path, async (c) => {
    const call = ++calls;
    gate(asked, call).resolve();
    const isGood = (await held.get(call)?.promise) ?? true;
    return isGood ? c.json(completion(`answer ${call}`)) : c.text("<html>");
  });
  return {
    network,
    calls: () => calls,
    /** Settles when it is asked for the nth time. */
    asked: (call: number) => gate(asked, call).promise,
    /** Lets the nth answer wait for what comes back, which says whether it is a good one. */
    hold: (call: number) => gate(held, call).resolve,
  };
}

interface Ask {
  readonly cacheControl?: string;
  readonly tenant?: string;
}

/** One request that nobody else asks for, as isolates ask for it. */
function scene(settings: Record<string, string> = {}) {
  const ai = provider();
  const body = { messages: [{ role: "user", content: crypto.randomUUID() }] };
  const isolate = ({ kv = env.CACHE, coordinators = env.COORDINATOR } = {}) => {
    const app = testApp({ network: ai.network, kv, coordinators, settings: { ...coordinated, ...settings } });
    return {
      ask: async ({ cacheControl, tenant = "one" }: Ask = {}) => await said(app, body, { cacheControl, tenant }),
      purge: {
        all: async () => await app.send("/api/v1/ai/cache", { method: "DELETE", headers: as("one") }),
        one: async () => await app.post("/api/v1/ai/cache/purge", body, as("one")),
      },
    };
  };
  return { ai, isolate };
}

const as = (tenant: string) => ({ authorization: `Bearer ${tenant}` });

/** Which of the provider's answers it was, and what the cache did. */
async function said(app: TestApp, body: unknown, { cacheControl, tenant = "" }: Ask): Promise<string> {
  const answer = await app.post(path, body, { ...as(tenant), ...(cacheControl && { "cache-control": cacheControl }) });
  if (answer.status !== 200) return `${answer.status} ${at(answer.json(), "error", "code")}`;
  return `${at(answer.json(), "choices", 0, "message", "content")}, ${answer.headers.get("x-cache")}`;
}

/** KV as isolates far away see it: it shows no answer yet. */
const farAway = new Proxy(env.CACHE, {
  get: (all, name) =>
    name !== "get"
      ? Reflect.get(all, name).bind(all)
      : async (key: string) => (key.startsWith("generate:") ? null : await all.get(key, "arrayBuffer")),
});

const entryKeys = async () => (await env.CACHE.list({ prefix: "generate:" })).keys.map(({ name }) => name);

/** Durable Objects of which one method does something else, and may do what it should. */
function objects(method: string, act: (go: () => unknown) => unknown): typeof env.COORDINATOR {
  return new Proxy(env.COORDINATOR, {
    get: (all, name) =>
      name !== "get"
        ? Reflect.get(all, name).bind(all)
        : (id: DurableObjectId) =>
            new Proxy(all.get(id), {
              get: (stub, called) => {
                const real = Reflect.get(stub, called);
                return called === method ? (...args: unknown[]) => act(() => Reflect.apply(real, stub, args)) : real;
              },
            }),
  });
}

const purges = ["all", "one"] as const;

describe.each(purges)("what was forgotten (%s)", (what) => {
  it("is handed out no more, by the isolate that was told or by a new one, and not kept anew", async () => {
    const { ai, isolate } = scene();
    const here = isolate();
    expect(await here.ask()).toBe("answer 1, MISS");
    expect((await here.purge[what]()).status).toBe(200);
    expect([await here.ask(), await here.ask()]).toEqual(["answer 2, MISS", "answer 2, HIT"]);
    expect(await isolate().ask()).toMatch(/^answer 2, (HIT|COALESCED)$/);
    expect(ai.calls()).toBe(2);
  });

  it("is not kept where it was under way, is joined by nobody who comes later, and is still given to its own caller", async () => {
    const { ai, isolate } = scene();
    const here = isolate();
    const known = new Set(await entryKeys());
    const end = ai.hold(1);
    const before = here.ask();
    await ai.asked(1);
    await here.purge[what]();
    expect(await here.ask()).toBe("answer 2, MISS");
    end(true);
    expect(await before).toBe("answer 1, MISS");
    expect([await here.ask(), await isolate().ask(), await isolate({ kv: farAway }).ask()]).toEqual([
      "answer 2, HIT",
      "answer 2, HIT",
      "answer 2, COALESCED",
    ]);
    const added = (await entryKeys()).filter((key) => !known.has(key));
    const values = await Promise.all(added.map((key) => env.CACHE.get(key)));
    expect(values.filter((value) => value?.includes("answer 1"))).toEqual([]);
  });

  it.each(["true", "false"])("is not remembered either by who was under way: coordinated %s", async (coordinate) => {
    const { ai, isolate } = scene({ QINGYU_CACHE_COORDINATE: coordinate });
    const here = isolate();
    const end = ai.hold(1);
    const before = here.ask();
    await ai.asked(1);
    await here.purge[what]();
    end(true);
    await before;
    expect([await here.ask(), await here.ask()]).toEqual(["answer 2, MISS", "answer 2, HIT"]);
  });

  it("is not handed out because every provider failed meanwhile", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ai, isolate } = scene();
    const here = isolate();
    await here.ask();
    vi.setSystemTime(Date.now() + 3_605_000);
    const fail = ai.hold(2);
    const asked = here.ask();
    await ai.asked(2);
    await here.purge[what]();
    fail(false);
    expect(await asked).toBe("502 upstream_bad_response");
  });

  it("is not put back by a read that began before", async () => {
    const { isolate } = scene();
    await isolate().ask();
    const [reading, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = new Proxy(env.CACHE, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : async (key: string) => {
              const value = await all.get(key, "arrayBuffer");
              if (!key.startsWith("generate:")) return value;
              reading.resolve();
              await read.promise;
              return value;
            },
    });
    const here = isolate({ kv: slow });
    const asked = here.ask();
    await reading.promise;
    await here.purge[what]();
    read.resolve();
    expect(await asked).toBe("answer 2, MISS");
    expect(await here.ask()).toMatch(/^answer [23]/);
  });

  it("stays forgotten where KV goes on showing it for a while", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { isolate } = scene({ QINGYU_CACHE_MEMORY_BYTES: "0" });
    await isolate().ask();
    vi.setSystemTime(Date.now() + 100);
    const shown = new Map<string, ArrayBuffer | null>();
    const late = new Proxy(env.CACHE, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : async (key: string) => {
              if (!shown.has(key)) shown.set(key, await all.get(key, "arrayBuffer"));
              return shown.get(key);
            },
    });
    const here = isolate({ kv: late });
    expect(await here.ask()).toBe("answer 1, HIT");
    await here.purge[what]();
    vi.setSystemTime(Date.now() + 40_000);
    expect(await here.ask()).toBe("answer 2, MISS");
  });
});

describe("one request that is forgotten", () => {
  it("is so where another isolate asks for it: its caller gets the answer, and nobody else", async () => {
    const { ai, isolate } = scene();
    const there = isolate();
    const end = ai.hold(1);
    const before = there.ask();
    await ai.asked(1);
    await isolate().purge.one();
    end(true);
    expect(await before).toBe("answer 1, MISS");
    expect([await there.ask(), await there.ask(), await isolate({ kv: farAway }).ask()]).toEqual([
      "answer 2, MISS",
      "answer 2, HIT",
      "answer 2, COALESCED",
    ]);
  });

  it("is asked for anew by who waits for another isolate's call", async () => {
    const { ai, isolate } = scene();
    const end = ai.hold(1);
    const leader = isolate().ask();
    await ai.asked(1);
    const waits = Promise.withResolvers<void>();
    const coordinators = objects("outcome", (go) => {
      const outcome = go();
      waits.resolve();
      return outcome;
    });
    const waiting = isolate({ coordinators }).ask();
    await waits.promise;
    await isolate().purge.one();
    expect(await waiting).toBe("answer 2, MISS");
    end(true);
    expect(await leader).toBe("answer 1, MISS");
  });

  it("is 503 where the object does not answer for it", async () => {
    const { isolate } = scene();
    const here = isolate({ coordinators: objects("forget", () => Promise.reject(new Error("object"))) });
    const answer = await here.purge.one();
    expect([answer.status, answer.json()]).toMatchObject([503, { error: "cache_unavailable" }]);
  });
});

describe("a caller who wants a young answer", () => {
  it.each([
    ["no-cache", "BYPASS"],
    ["max-age=0", "MISS"],
    ["max-age=9", "MISS"],
    ["max-age=9, max-stale", "MISS"],
  ])(
    "%s gets none that a Durable Object has kept for longer, and it then keeps the younger one",
    async (asked, status) => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const { isolate } = scene();
      const ask = async (cacheControl?: string) => await isolate({ kv: farAway }).ask({ cacheControl });
      expect(await ask()).toBe("answer 1, MISS");
      vi.setSystemTime(Date.now() + 10_000);
      expect([await ask(), await ask("max-age=10")]).toEqual(["answer 1, COALESCED", "answer 1, COALESCED"]);
      expect(await ask(asked)).toBe(`answer 2, ${status}`);
      expect([await ask(), await ask("max-age=9")]).toEqual(["answer 2, COALESCED", "answer 2, COALESCED"]);
    },
  );

  it.each(["no-cache", "max-age=0"])("%s joins no call that began before, here or elsewhere", async (cacheControl) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ai, isolate } = scene();
    const here = isolate();
    const [endFirst, endSecond, endThird] = [ai.hold(1), ai.hold(2), ai.hold(3)];
    const first = here.ask();
    await ai.asked(1);
    vi.setSystemTime(Date.now() + 1);
    const second = here.ask({ cacheControl });
    await ai.asked(2);
    vi.setSystemTime(Date.now() + 1);
    const third = isolate().ask({ cacheControl });
    await ai.asked(3);
    // What was asked for first comes last, and does not take the younger one's place.
    endThird(true);
    await third;
    endSecond(true);
    await second;
    endFirst(true);
    expect([await first, await second, await third].map((answer) => answer.slice(0, 8))).toEqual([
      "answer 1",
      "answer 2",
      "answer 3",
    ]);
    expect(await here.ask()).toBe("answer 2, HIT");
    expect(await isolate({ kv: farAway }).ask()).toBe("answer 3, COALESCED");
  });

  it("is given what an object keeps no longer than it is fresh", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { isolate } = scene({ QINGYU_CACHE_TTL_SECONDS: "5" });
    const ask = async () => await isolate({ kv: farAway }).ask();
    await ask();
    vi.setSystemTime(Date.now() + 4_999);
    expect(await ask()).toBe("answer 1, COALESCED");
    vi.setSystemTime(Date.now() + 1);
    expect(await ask()).toBe("answer 2, MISS");
  });

  it("asks no object with no-store, which leaves nothing there either", async () => {
    const { isolate } = scene();
    const ask = async (cacheControl?: string) => await isolate({ kv: farAway }).ask({ cacheControl });
    expect([await ask("no-store"), await ask(), await ask("no-store"), await ask()]).toEqual([
      "answer 1, BYPASS",
      "answer 2, MISS",
      "answer 3, BYPASS",
      "answer 2, COALESCED",
    ]);
  });
});

describe("a Durable Object", () => {
  it("is named by tenant and epoch as well as by the request", async () => {
    const { isolate } = scene();
    const names: string[] = [];
    const coordinators = new Proxy(env.COORDINATOR, {
      get: (all, member) =>
        member !== "idFromName"
          ? Reflect.get(all, member).bind(all)
          : (name: string) => {
              names.push(name);
              return all.idFromName(name);
            },
    });
    const far = () => isolate({ kv: farAway, coordinators });
    expect([await far().ask({ tenant: "one" }), await far().ask({ tenant: "two" })]).toEqual([
      "answer 1, MISS",
      "answer 2, MISS",
    ]);
    const here = far();
    await here.purge.all();
    expect(await here.ask()).toBe("answer 3, MISS");
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^generate:v4:(0|\d{13}):[A-Za-z0-9_-]{43}$/);
  });

  it("that says late who leads has nobody wait for one who does not know it", async () => {
    const { ai, isolate } = scene({ QINGYU_CACHE_READ_TIMEOUT_MS: "200" });
    const claimed = Promise.withResolvers<void>();
    const slow = objects("claim", async (go) => {
      const claim = await go();
      await claimed.promise;
      return claim;
    });
    const end = ai.hold(1);
    const leader = isolate({ kv: farAway, coordinators: slow }).ask();
    await ai.asked(1);
    const waiting = isolate({ kv: farAway }).ask();
    claimed.resolve();
    end(true);
    expect([await leader, await waiting, ai.calls()]).toEqual(["answer 1, MISS", "answer 1, COALESCED", 1]);
  });
});
