import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createModelCircuits } from "../src/resilience/model-circuits.ts";
import { sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { completion, completionChunk, event } from "./upstreams/openai-answers.ts";

const tenants = ["a", "b", "c", "d"] as const;
type Tenant = (typeof tenants)[number];
const keys = (await Promise.all(tenants.map(async (tenant) => `${tenant}:${await sha256Hex(tenant)}`))).join(",");

/** Two providers and four tenants, of whom the first provider does what the test says, on a clock that the test moves. */
function chain(providers = ["first", "second"]) {
  vi.useFakeTimers({ toFake: ["Date"] });
  const state: { answer: () => Response | Promise<Response> } = { answer: good };
  const network = new Hono()
    .post("/first/chat/completions", () => state.answer())
    .post("/second/chat/completions", good)
    // What is thrown is a connection that fails.
    .onError((error) => {
      throw error;
    });
  const entries = providers.map((name) => ({ name, type: "openai", baseUrl: `https://ai.test/${name}` }));
  const app = testApp({ network, settings: { AI_PROVIDERS: entries, GATEWAY_API_KEYS: keys } });
  const ask = async (tenant: Tenant, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) => {
    const answer = await app.post(
      "/v1/chat/completions",
      { model: "m", messages: [{ role: "user", content: "问" }], ...more },
      { "cache-control": "no-store", authorization: `Bearer ${tenant}`, ...headers },
    );
    return { ...answer, attempts: answer.headers.get("x-qingyu-attempts") };
  };
  return {
    ask,
    attempts: async (...asked: Parameters<typeof ask>) => (await ask(...asked)).attempts,
    /** Each of them asks twice, and the first provider fails. */
    failFor: async (failing: readonly Tenant[], more: Record<string, unknown> = {}) => {
      state.answer = broken;
      for (const tenant of failing) for (const _ of [1, 2]) await ask(tenant, more);
      state.answer = good;
    },
    answering: (answer: () => Response | Promise<Response>) => {
      state.answer = answer;
    },
    pass: (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000),
    ready: async () => {
      const { status, json } = await app.send("/health/ready");
      return [status, at(json(), "status"), at(json(), "dependencies", "first", "breaker")];
    },
  };
}

const good = () => Response.json(completion("好"));
const broken = () => new Response("<html>", { headers: { "content-type": "text/html" } });
const error = (status: number, code?: string) => () => Response.json({ error: { code } }, { status });
const empty = (finishReason: string) => Response.json(completion("", {}, finishReason));
const streamed = (...data: unknown[]) =>
  new Response([...data, "[DONE]"].map(event).join(""), { headers: { "content-type": "text/event-stream" } });
const lost = () => {
  throw new Error("Network connection lost.");
};

const skipped = "first:breaker_open, second:ok";

afterEach(() => void vi.useRealTimers());

describe("one tenant's failures", () => {
  it.each([
    ["500", error(500)],
    ["503", error(503)],
    ["429", error(429)],
    ["a quota", error(429, "insufficient_quota")],
    ["401", error(401)],
    ["403", error(403)],
    ["404", error(404)],
    ["a model that nobody has", error(404, "model_not_found")],
    ["504", error(504)],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "/" } })],
    ["no answer of the API", broken],
    ["an empty answer", () => empty("stop")],
    ["a torn answer", () => Response.json(completion("好", {}, ""))],
  ])("keep nobody else away: %s", async (_, answer) => {
    const { ask, attempts, answering, pass } = chain();
    for (let round = 0; round < 5; round++) {
      answering(answer);
      for (let turn = 0; turn < 20; turn++) await ask("a");
      answering(good);
      expect(await attempts("b")).toBe("first:ok");
      pass(15);
    }
  });

  it("keep that tenant away, and from the model only that failed", async () => {
    const { attempts, ask, answering } = chain();
    answering(broken);
    for (const _ of [1, 2, 3, 4, 5]) await ask("a");
    answering(good);
    expect(await attempts("a")).toBe(skipped);
    expect([await attempts("a", { model: "n" }), await attempts("b")]).toEqual(["first:ok", "first:ok"]);
    // What others get says nothing about what this one asked for.
    expect(await attempts("a")).toBe(skipped);
  });

  it("do not make the gateway unready for those who can ask", async () => {
    const { ask, answering, ready } = chain(["first"]);
    await ask("b");
    answering(broken);
    for (const _ of [1, 2, 3, 4, 5]) await ask("a");
    expect(await ready()).toEqual([200, "ready", "closed"]);
  });
});

describe("several tenants' failures", () => {
  it("of two keep nobody else away", async () => {
    const { ask, attempts, answering } = chain();
    answering(broken);
    for (const _ of [1, 2, 3, 4, 5]) for (const tenant of ["a", "b"] as const) await ask(tenant);
    answering(good);
    expect([await attempts("a"), await attempts("b"), await attempts("c")]).toEqual([skipped, skipped, "first:ok"]);
  });

  it("of three keep all away from that model, and from no other", async () => {
    const { failFor, attempts, ready } = chain();
    await failFor(["a", "b", "c"]);
    expect(await attempts("d")).toBe(skipped);
    expect(await attempts("d", { model: "n" })).toBe("first:ok");
    expect(await ready()).toEqual([200, "degraded", "closed"]);
  });

  it("are forgotten with anybody's success in between", async () => {
    const { failFor, attempts } = chain();
    await failFor(["a", "b"]);
    expect(await attempts("d")).toBe("first:ok");
    await failFor(["c"]);
    expect(await attempts("d")).toBe("first:ok");
  });

  it("count twice for each tenant among the last ten seconds too", async () => {
    const { ask, attempts, answering } = chain();
    for (let turn = 0; turn < 40; turn++) {
      answering(turn % 2 === 0 ? good : broken);
      await ask(turn % 2 === 0 ? "c" : turn % 4 === 1 ? "a" : "b");
    }
    answering(good);
    expect(await attempts("d")).toBe("first:ok");
  });

  it("leave each tenant tries of its own, of which one that succeeds is enough for all", async () => {
    const { failFor, attempts, answering, pass } = chain();
    await failFor(["a", "b", "c"]);
    pass(15);
    const arrived = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    answering(async () => {
      arrived.resolve();
      await held.promise;
      return broken();
    });
    const slow = attempts("a");
    await arrived.promise;
    answering(good);
    expect([await attempts("a"), await attempts("d"), await attempts("b")]).toEqual([skipped, "first:ok", "first:ok"]);
    held.resolve();
    await slow;
    expect(await attempts("d")).toBe("first:ok");
  });

  it("are not prolonged more than twice by a tenant whose tries fail", async () => {
    const { failFor, attempts, answering, pass } = chain();
    await failFor(["a", "b", "c"]);
    for (const expected of [skipped, skipped, "first:ok"]) {
      pass(15);
      answering(broken);
      await attempts("a");
      answering(good);
      expect(await attempts("d")).toBe(expected);
    }
  });
});

describe("a connection that fails", () => {
  it("is closed to all tenants and models", async () => {
    const { ask, attempts, answering, ready, pass } = chain();
    answering(lost);
    for (const model of ["m", "n", "o", "p"]) await ask("a", { model });
    const { log } = await ask("a", { model: "q" });
    expect(log.map((line) => JSON.parse(line))).toContainEqual({
      message: "breaker",
      level: "warn",
      provider: "first",
      state: "open",
    });
    expect([await attempts("b", { model: "r" }), await ready()]).toEqual([skipped, [200, "degraded", "open"]]);
    pass(15);
    // An error is a sign of life as well.
    answering(error(400));
    await ask("c");
    expect(await ready()).toEqual([200, "ready", "closed"]);
    answering(good);
    expect([await attempts("a"), await attempts("b")]).toEqual(["first:ok", "first:ok"]);
  });
});

describe("what callers bring about themselves", () => {
  it.each([
    // Another provider would reach it too.
    ["his limit", "length", {}, "first:ok"],
    ["his words", "stop", { stop: ["完"] }, "first:empty, second:ok"],
  ])("never counts: an empty answer through %s", async (_, finishReason, more, made) => {
    const { attempts, answering } = chain();
    answering(() => empty(finishReason));
    for (let turn = 0; turn < 8; turn++) expect(await attempts("a", more)).toBe(made);
    answering(() => streamed(completionChunk({}, finishReason)));
    for (let turn = 0; turn < 8; turn++) {
      const delivery = turn % 2 === 0 ? "live" : "atomic";
      const asked = await attempts("a", { ...more, stream: true }, { "x-qingyu-delivery": delivery });
      expect(asked).toBe(made);
    }
  });

  it("is not what a provider leaves out of an answer that is held back", async () => {
    const { attempts, answering } = chain();
    answering(() => streamed("{garbage", completionChunk({ content: "好" }), completionChunk({}, "stop")));
    const heldBack = () => attempts("a", { stream: true }, { "x-qingyu-delivery": "atomic" });
    for (const _ of [1, 2, 3, 4, 5]) expect(await heldBack()).toBe("first:malformed, second:ok");
    expect(await heldBack()).toBe(skipped);
  });

  it("holds nobody else away where he is in a hurry", async () => {
    const first = upstream("silent");
    const settings = { QINGYU_DEADLINES_FIRST_TOKEN_MS: "20", GATEWAY_API_KEYS: keys };
    const { ask } = gateway([provider("first", "openai", first)], settings);
    const attempts = async (tenant: Tenant) => {
      const headers = { authorization: `Bearer ${tenant}`, "x-request-timeout-ms": "150" };
      return (await ask({ headers })).attempts;
    };
    for (const tenant of ["a", "b", "c"] as const) {
      for (let turn = 0; turn < 5; turn++) expect(await attempts(tenant)).toBe("first:timeout");
      expect(await attempts(tenant)).toBe("first:breaker_open");
    }
    expect(await attempts("d")).toBe("first:timeout");
  });
});

describe("a breaker that 429s opened", () => {
  it("is a 429 that says when to come back", async () => {
    const { ask, answering, pass } = chain(["first"]);
    answering(error(429));
    for (const _ of [1, 2, 3, 4, 5]) await ask("a");
    pass(5);
    const { status, headers, attempts, json } = await ask("a");
    expect([status, at(json(), "error", "code"), headers.get("retry-after"), attempts]).toEqual([
      429,
      "rate_limit_exceeded",
      "10",
      "first:breaker_open",
    ]);
  });
});

describe("many model names of one tenant", () => {
  it("take nothing from what is known of others", async () => {
    const { ask, failFor, attempts, answering } = chain();
    await failFor(["b", "b", "b"]);
    await failFor(["a", "c", "d"], { model: "n" });
    answering(broken);
    for (let turn = 0; turn < 200; turn++) await ask("a", { model: `m${turn}` });
    answering(good);
    expect([await attempts("b"), await attempts("b", { model: "n" })]).toEqual([skipped, skipped]);
  });

  it("are not all remembered", () => {
    const models = createModelCircuits();
    for (let turn = 0; turn < 1_000; turn++) models.of({ tenant: "a", operation: "generate", model: `m${turn}` });
    models.of({ tenant: "b", operation: "generate", model: "m" });
    expect([...models.held()]).toHaveLength(32 + 1);
  });
});
