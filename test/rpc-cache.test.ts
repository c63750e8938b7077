import { env } from "cloudflare:workers";
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { filled } from "./support/messages.ts";
import { type RpcCase, rpcCases } from "./support/rpc-cases.ts";
import { aiProviders, aiServices, pathOf, requestIn, toldIn, type Way, ways } from "./support/rpcs.ts";

const { method } = AIService;
const tenants = ["readers", "writers"] as const;
const keys = await Promise.all(tenants.map(async (name) => `${name}:${await sha256Hex(name)}`));
const longRpcs = rpcCases.filter(({ isLong }) => isLong);
const lookUps = rpcCases.filter(({ isLong }) => !isLong);

/** On a clock that a test moves. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());
const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

interface Asking {
  readonly headers?: Record<string, string>;
  readonly way?: Way;
  readonly as?: (typeof tenants)[number];
  readonly sent?: Message;
}

/** An isolate of a gateway, of which there may be many on one KV. Its AI service answers while it is up, and counts. */
function isolate(settings: Record<string, unknown> = {}) {
  const state = { isUp: true, visits: 0 };
  const { network } = aiServices({
    ai({ rpc }) {
      state.visits++;
      const known = state.isUp ? rpcCases.find(({ name }) => name === rpc) : undefined;
      return known?.answer ?? new Response(null, { status: 400 });
    },
  });
  const app = testApp({
    settings: { AI_PROVIDERS: aiProviders("connect", "ai"), GATEWAY_API_KEYS: keys.join(","), ...settings },
    network,
  });
  const ask = async ({ method: of, request }: RpcCase, asking: Asking = {}) => {
    const { headers = {}, way = "connect proto", as = "readers", sent = request } = asking;
    const init = requestIn(way, of, sent, { authorization: `Bearer ${as}`, ...headers });
    const answer = await app.send(pathOf(of), init);
    const { message, code } = toldIn(way, of, answer);
    return {
      bytes: message && toBinary(of.output, message),
      code,
      cache: answer.headers.get("x-cache"),
      status: answer.headers.get("cache-status"),
      age: answer.headers.get("age"),
      attempts: answer.headers.get("x-qingyu-attempts"),
      replayed: answer.headers.get("idempotent-replayed"),
      log: answer.log,
    };
  };
  return { app, ask, state };
}

/** A request of its own for each test, since the store outlives them. */
function own({ method: of, request }: RpcCase): Message {
  const id = crypto.randomUUID();
  const project = of.input.fields.find(({ name }) => name === "project_id");
  return { ...fromBinary(of.input, toBinary(of.input, request)), [project?.localName ?? ""]: id };
}

describe.each(lookUps)("what $name finds", (rpc) => {
  const kept = { QINGYU_CACHE_KNOWLEDGE_SECONDS: "10" };

  it("is kept for nobody unless the settings say for how long", async () => {
    const { ask, state } = isolate();
    const sent = own(rpc);
    for (const way of ways) expect(await ask(rpc, { sent, way })).toMatchObject({ cache: null, attempts: "ai:ok" });
    expect(state.visits).toBe(4);
    expect((await ask(rpc, { sent, headers: { "cache-control": "only-if-cached" } })).code).toBe("deadline_exceeded");
    expect(state.visits).toBe(4);
    expect(
      (await env.CACHE.list({ prefix: rpc.name === "GetContext" ? "get_context:" : "query_knowledge:" })).keys,
    ).toEqual([]);
  });

  it("is kept that long for every way to ask, in memory and in KV", async () => {
    const { ask, state } = isolate(kept);
    const sent = own(rpc);
    const first = await ask(rpc, { sent });
    expect(first).toMatchObject({ cache: "MISS", status: "QingyuGateway; fwd=miss; stored", age: null });
    pass(9);
    const elsewhere = isolate(kept);
    for (const askThere of [ask, elsewhere.ask]) {
      for (const way of ways) {
        const again = await askThere(rpc, { sent, way });
        expect(again).toMatchObject({
          cache: "HIT",
          status: "QingyuGateway; hit; ttl=1",
          age: "9",
          attempts: "cache:hit",
        });
        expect(again.bytes).toEqual(first.bytes);
      }
    }
    expect([state.visits, elsewhere.state.visits]).toEqual([1, 0]);
    pass(1);
    expect(await ask(rpc, { sent })).toMatchObject({ cache: "MISS", attempts: "ai:ok" });
    expect((await isolate(kept).ask(rpc, { sent })).cache).toBe("HIT");
  });

  it("is kept to the last bit", async () => {
    const sent = own(rpc);
    const said = filled(rpc.method.output);
    const { network } = aiServices({ ai: () => said });
    const settings = { AI_PROVIDERS: aiProviders("connect", "ai"), ...kept };
    for (const expected of ["MISS", "HIT"]) {
      const answer = await testApp({ settings, network }).send(
        pathOf(rpc.method),
        requestIn("connect proto", rpc.method, sent),
      );
      expect([answer.headers.get("x-cache"), answer.bytes]).toEqual([expected, toBinary(rpc.method.output, said)]);
    }
  });

  it("is not handed out after its time, however its service is", async () => {
    const { ask, state } = isolate(kept);
    const sent = own(rpc);
    await ask(rpc, { sent });
    state.isUp = false;
    expect((await ask(rpc, { sent })).cache).toBe("HIT");
    for (const after of [10, 1, 60]) {
      pass(after);
      for (const asked of ["max-stale", "stale-if-error=600", "stale-while-revalidate=600", "max-age=600"]) {
        const answer = await ask(rpc, { sent, headers: { "cache-control": asked } });
        expect(answer).toMatchObject({ bytes: undefined, cache: "MISS" });
      }
    }
  });

  it("is its tenant's own, and gone with the tenant's purge", async () => {
    const [here, there] = [isolate(kept), isolate(kept)];
    const sent = own(rpc);
    for (const as of tenants) expect((await here.ask(rpc, { sent, as })).cache).toBe("MISS");
    for (const as of tenants) expect((await here.ask(rpc, { sent, as })).cache).toBe("HIT");
    const headers = { authorization: "Bearer readers" };
    expect((await here.app.send("/api/v1/ai/cache", { method: "DELETE", headers })).status).toBe(200);
    for (const { ask } of [here, there]) {
      expect((await ask(rpc, { sent, as: "writers" })).cache).toBe("HIT");
    }
    expect((await here.ask(rpc, { sent })).cache).toBe("MISS");
  });

  it("is another's for another message", async () => {
    const { ask, state } = isolate(kept);
    await ask(rpc, { sent: own(rpc) });
    expect((await ask(rpc, { sent: own(rpc) })).cache).toBe("MISS");
    expect(state.visits).toBe(2);
  });

  it("is neither read nor kept with no-store, and asked for anew with no-cache", async () => {
    const { ask, state } = isolate(kept);
    const sent = own(rpc);
    const headers = (asked: string) => ({ "cache-control": asked });
    expect(await ask(rpc, { sent, headers: headers("no-store") })).toMatchObject({ cache: "BYPASS" });
    expect(await ask(rpc, { sent, headers: headers("only-if-cached") })).toMatchObject({ code: "deadline_exceeded" });
    expect(await ask(rpc, { sent, headers: headers("no-cache") })).toMatchObject({ cache: "BYPASS" });
    expect(await ask(rpc, { sent, headers: headers("only-if-cached") })).toMatchObject({ cache: "HIT" });
    expect(state.visits).toBe(2);
  });

  it("is not kept where it failed", async () => {
    const { ask, state } = isolate(kept);
    const sent = own(rpc);
    state.isUp = false;
    expect((await ask(rpc, { sent })).bytes).toBeUndefined();
    state.isUp = true;
    expect((await ask(rpc, { sent })).cache).toBe("MISS");
  });

  it("is asked for once by those who ask at once", async () => {
    const { ask, state } = isolate(kept);
    const sent = own(rpc);
    const answers = await Promise.all(ways.map((way) => ask(rpc, { sent, way })));
    expect(answers.map(({ cache }) => cache).sort()).toEqual(["COALESCED", "COALESCED", "COALESCED", "MISS"]);
    expect([new Set(answers.map(({ bytes }) => String(bytes))).size, state.visits]).toEqual([1, 1]);
  });
});

describe.each(longRpcs)("what $name writes", (rpc) => {
  const forKnowledge = { QINGYU_CACHE_KNOWLEDGE_SECONDS: "600" };
  const under = (key: string) => ({ "idempotency-key": key });

  it("is kept for nobody", async () => {
    const { ask, state } = isolate(forKnowledge);
    const sent = own(rpc);
    for (const way of ways) expect(await ask(rpc, { sent, way })).toMatchObject({ cache: null, attempts: "ai:ok" });
    const only = await ask(rpc, { sent, headers: { "cache-control": "only-if-cached" } });
    expect([only.code, state.visits]).toEqual(["deadline_exceeded", 4]);
  });

  it("is there again under its key, in every way to ask and in another isolate", async () => {
    const [here, there] = [isolate(), isolate()];
    const [sent, headers] = [own(rpc), under(crypto.randomUUID())];
    const first = await here.ask(rpc, { sent, headers });
    pass(3600);
    for (const { ask } of [here, there]) {
      for (const way of ways) {
        expect(await ask(rpc, { sent, headers, way })).toMatchObject({ replayed: "true", bytes: first.bytes });
      }
    }
    expect([here.state.visits, there.state.visits]).toEqual([1, 0]);
  });

  it("stands for one request and one tenant, and a failure for none", async () => {
    const { ask, state } = isolate();
    const [sent, headers] = [own(rpc), under(crypto.randomUUID())];
    state.isUp = false;
    expect((await ask(rpc, { sent, headers })).bytes).toBeUndefined();
    state.isUp = true;
    expect(await ask(rpc, { sent, headers })).toMatchObject({ replayed: null, attempts: "ai:ok" });
    expect(await ask(rpc, { sent: own(rpc), headers })).toMatchObject({ code: "already_exists", attempts: null });
    for (const other of rpcCases)
      if (other !== rpc) expect((await ask(other, { headers })).code).toBe("already_exists");
    expect(await ask(rpc, { sent, headers, as: "writers" })).toMatchObject({ replayed: null, attempts: "ai:ok" });
    expect(state.visits).toBe(3);
  });

  it("is asked for once by those who come at once with one key", async () => {
    const { ask, state } = isolate();
    const [sent, headers] = [own(rpc), under(crypto.randomUUID())];
    const answers = await Promise.all(ways.map((way) => ask(rpc, { sent, headers, way })));
    expect(answers.map(({ replayed }) => replayed).sort()).toEqual([null, "true", "true", "true"].sort());
    expect([new Set(answers.map(({ bytes }) => String(bytes))).size, state.visits]).toEqual([1, 1]);
  });
});

it("tells requests under a key apart by a seed of 64 bits, and by a zero from none", async () => {
  const rpc = rpcCases.find(({ name }) => name === "StoryWrite");
  if (!rpc) throw new Error("no StoryWrite");
  const { ask, state } = isolate();
  const headers = { "idempotency-key": crypto.randomUUID() };
  const { input } = method.storyWrite;
  const write = (seed?: bigint) => create(input, { instruction: "i", options: { seed } });
  const seed = 9_007_199_254_740_993n;
  expect((await ask(rpc, { sent: write(seed), headers })).attempts).toBe("ai:ok");
  expect(await ask(rpc, { sent: write(seed), headers })).toMatchObject({ replayed: "true" });
  for (const other of [seed - 1n, 0n, undefined, -1n]) {
    expect((await ask(rpc, { sent: write(other), headers })).code).toBe("already_exists");
  }
  const zero = { "idempotency-key": crypto.randomUUID() };
  await ask(rpc, { sent: write(0n), headers: zero });
  expect((await ask(rpc, { sent: write(undefined), headers: zero })).code).toBe("already_exists");
  expect(state.visits).toBe(2);
});
