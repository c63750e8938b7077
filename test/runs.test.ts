import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { entriesOf, ledgers } from "./support/ledger.ts";
import { type TestRun, testRuns } from "./support/test-runs.ts";
import { noise } from "./upstreams/texts.ts";

/*
 * Long work under an idempotency key. An isolate here is an app of its own that shares no KV with the others: what it knows
 * of a run, it has learnt from the run's Durable Object. What a caller's leaving does is in e2e/runs.test.ts.
 */

const { input, output } = AIService.method.executeCreativeWorkflow;
const path = "/qingyu.ai.AIService/ExecuteCreativeWorkflow";
const task = "写一部关于羽毛的小说";
const keys = await Promise.all(["one", "two"].map(async (name) => `${name}:${await sha256Hex(name)}`));
const defaults = {
  PYTHON_AI_SERVICE_URL: "http://ai.test",
  AI_PROVIDERS: "ai-service",
  GATEWAY_API_KEYS: keys.join(","),
  QINGYU_CACHE_ENABLED: "false",
};

afterEach(() => void vi.useRealTimers());

/** An AI service that says how often it was asked and left, and holds back the answers that a test wants to come late. */
function service(titleOf: (call: number) => string) {
  const asked: unknown[] = [];
  let left = 0;
  const [arrivals, held] = [
    new Map<number, PromiseWithResolvers<void>>(),
    new Map<number, PromiseWithResolvers<number>>(),
  ];
  const gate = <T>(gates: Map<number, PromiseWithResolvers<T>>, call: number) =>
    gates.getOrInsertComputed(call, () => Promise.withResolvers<T>());
  const network = new Hono().post(path, async (c) => {
    asked.push(toJson(input, fromBinary(input, new Uint8Array(await c.req.arrayBuffer()))));
    const call = asked.length;
    c.req.raw.signal.addEventListener("abort", () => {
      left++;
      held.get(call)?.resolve(499);
    });
    gate(arrivals, call).resolve();
    const status = (await held.get(call)?.promise) ?? 200;
    if (status !== 200) return c.json({ code: "unavailable" }, 503);
    const answer = create(output, { outline: { chapters: [{ title: titleOf(call) }] }, tokensUsed: 4321 });
    return c.body(toBinary(output, answer).slice(), 200, { "content-type": "application/proto" });
  });
  return {
    network,
    asked,
    left: () => left,
    /** Settles when it is asked for the nth time. */
    arrived: (call: number) => gate(arrivals, call).promise,
    /** Lets the nth answer wait for what comes back, which gives its status. */
    hold: (call: number) => gate(held, call).resolve,
  };
}

interface Ask {
  readonly key?: string;
  readonly task?: string;
  readonly tenant?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const headersOf = (tenant: string, key: string) => ({
  "content-type": "application/json",
  authorization: `Bearer ${tenant}`,
  "idempotency-key": key,
});

interface SceneOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly titleOf?: (call: number) => string;
}

function scene({ settings = {}, titleOf = (call) => `第${call}章` }: SceneOptions = {}) {
  const ai = service(titleOf);
  const all = { ...defaults, ...settings };
  const name = crypto.randomUUID();
  const runs = testRuns(all, ai.network, name);
  const isolate = (objects = runs.objects, more: Readonly<Record<string, string>> = {}) => {
    const app = testApp({ settings: { ...all, ...more }, network: ai.network, runs: objects, ledgers });
    return async ({ key = "key", task: asked = task, tenant = "one", headers = {} }: Ask = {}) => {
      const answer = await app.post(path, { task: asked }, { ...headersOf(tenant, key), ...headers });
      const title = at(answer.json(), "outline", "chapters", 0, "title");
      const line: Record<string, unknown> = JSON.parse(answer.log.at(-1) ?? "{}");
      const said = answer.status === 200 ? String(title) : `${answer.status} ${line.error}`;
      return { said, replayed: answer.headers.get("idempotent-replayed") === "true", line, ...answer };
    };
  };
  /** The same objects under other settings. */
  const deployed = (more: Readonly<Record<string, string>>) => {
    const { objects } = testRuns({ ...all, ...more }, ai.network, name);
    return isolate(objects, more);
  };
  /** The status of an answer that cannot wait, behind which something may go on. */
  const hurried = async (tenant: string) => {
    const app = testApp({ settings: all, network: ai.network, runs: runs.objects });
    const headers = { ...headersOf(tenant, "key"), "x-request-timeout-ms": "200" };
    const body = JSON.stringify({ task });
    return (await app.fetch(`http://localhost${path}`, { method: "POST", headers, body })).status;
  };
  return { ai, runs, isolate, deployed, hurried };
}

const fresh = (said: string) => ({ said, replayed: false });
const again = (said: string) => ({ said, replayed: true });

/** Objects of which one method does something else, and may do what it should. */
function broken(
  all: DurableObjectNamespace<TestRun>,
  method: string,
  act: (go: () => unknown, stub: DurableObjectStub<TestRun>) => unknown,
) {
  return new Proxy(all, {
    get: (objects, name) =>
      name !== "get"
        ? Reflect.get(objects, name)
        : (id: DurableObjectId) =>
            new Proxy(objects.get(id), {
              get: (stub, called) => {
                const real = Reflect.get(stub, called);
                return called === method
                  ? (...args: unknown[]) => act(() => Reflect.apply(real, stub, args), stub)
                  : real;
              },
            }),
  });
}

/** All that an object has stored, as one text. */
async function atRest(stub: DurableObjectStub<TestRun> | undefined): Promise<string> {
  if (!stub) throw new Error("no object was asked");
  return await runInDurableObject(stub, (_, { storage }) => {
    const decoder = new TextDecoder();
    const texts = [...storage.kv.list()].map(([key, value]) =>
      value instanceof Uint8Array ? `${key}: ${decoder.decode(value)}` : `${key}: ${JSON.stringify(value)}`,
    );
    return texts.join("\n");
  });
}

describe("long work under an idempotency key", () => {
  it("is told of as if it had been done for its caller alone, and in a line of its own", async () => {
    const { runs, isolate } = scene();
    const answer = await isolate()({ headers: { "x-request-id": "first" } });
    expect(answer).toMatchObject(fresh("第1章"));
    expect(answer.headers.get("x-qingyu-provider")).toBe("ai-service");
    expect(answer.headers.get("x-qingyu-attempts")).toBe("ai-service:ok");
    expect(answer.headers.get("server-timing")).toMatch(/^ai-service;dur=\d+, gateway;dur=\d+$/);
    const { run } = answer.line;
    expect(answer.line).toMatchObject({ provider: "ai-service", usage: { totalTokens: 4321, cached: true } });
    await runs.over(1);
    expect(runs.log.map((line) => JSON.parse(line))).toEqual([
      {
        ...{ message: "run", level: "info", run, requestId: "first", tenant: "one", keyId: expect.any(String) },
        traceId: answer.line.traceId,
        operation: "execute_creative_workflow",
        ...{ provider: "ai-service", model: "ai-service" },
        attempts: [
          {
            provider: "ai-service",
            outcome: "ok",
            durationMs: expect.any(Number),
            upstreamRequestId: expect.any(String),
          },
        ],
        usage: { totalTokens: 4321, cached: false },
        durationMs: expect.any(Number),
      },
    ]);
  });

  it("is done once for all isolates, while it goes on and later", async () => {
    const { ai, isolate } = scene();
    const end = ai.hold(1);
    const first = isolate()();
    await ai.arrived(1);
    const second = isolate()();
    end(200);
    expect([await first, await second, await isolate()()]).toMatchObject([
      fresh("第1章"),
      again("第1章"),
      again("第1章"),
    ]);
    expect(ai.asked).toEqual([{ task, maxReflections: 3 }]);
  });

  it("is 409 for another request, while it goes on and later", async () => {
    const { ai, isolate } = scene();
    const end = ai.hold(1);
    const first = isolate()();
    await ai.arrived(1);
    const other = { task: "别的" };
    expect(await isolate()(other)).toMatchObject({ said: "409 idempotency_key_reused" });
    end(200);
    await first;
    expect(await isolate()(other)).toMatchObject({ said: "409 idempotency_key_reused" });
    expect(ai.asked.length).toBe(1);
  });

  it("is its tenant's own", async () => {
    const { ai, isolate } = scene();
    const ask = isolate();
    expect([await ask(), await ask({ tenant: "two" })]).toMatchObject([fresh("第1章"), fresh("第2章")]);
    expect(ai.asked.length).toBe(2);
  });

  it("is asked for anew where it has failed, which all are told who waited", async () => {
    const { ai, runs, isolate } = scene();
    const end = ai.hold(1);
    const first = isolate()();
    await ai.arrived(1);
    const second = isolate()();
    end(503);
    expect([await first, await second]).toMatchObject([1, 2].map(() => fresh("503 upstream_unavailable")));
    expect((await first).headers.get("x-qingyu-attempts")).toBe("ai-service:unavailable");
    await runs.over(1);
    expect(await atRest(runs.asked()[0])).toBe("");
    expect(JSON.parse(runs.log[0] ?? "")).toMatchObject({ level: "error", error: "upstream_unavailable" });
    expect(await isolate()()).toMatchObject(fresh("第2章"));
  });

  it("ends when its own time is up", async () => {
    const { ai, isolate } = scene({ settings: { QINGYU_RUNS_MAX_MS: "200" } });
    ai.hold(1);
    expect(await isolate()()).toMatchObject(fresh("504 upstream_timeout"));
    expect(ai.left()).toBe(1);
  });

  it("goes on when its caller's time is up", async () => {
    const { ai, isolate } = scene();
    const end = ai.hold(1);
    const hurried = await isolate()({ headers: { "x-request-timeout-ms": "200" } });
    expect(hurried).toMatchObject(fresh("504 upstream_timeout"));
    end(200);
    expect(await isolate()()).toMatchObject(again("第1章"));
    expect([ai.asked.length, ai.left()]).toEqual([1, 0]);
  });

  it("is charged and written down once, for whom it was begun, also where he has left", async () => {
    const tenant = `t${crypto.randomUUID().slice(0, 8)}`;
    const { ai, runs, isolate, hurried } = scene({
      settings: {
        GATEWAY_API_KEYS: `${tenant}:${await sha256Hex(tenant)}`,
        AI_POLICIES: JSON.stringify([{ tenant, tokensPerDay: 4400 }]),
      },
    });
    const end = ai.hold(1);
    expect(await hurried(tenant)).toBe(504);
    end(200);
    await runs.over(1);
    expect([await isolate()({ tenant }), await isolate()({ tenant })]).toMatchObject([again("第1章"), again("第1章")]);
    expect(await isolate()({ tenant, key: "another" })).toMatchObject(fresh("第2章"));
    await runs.over(2);
    expect(await isolate()({ tenant, key: "third" })).toMatchObject({ status: 429 });
    expect((await entriesOf(tenant)).map(({ source, total }) => [source, total])).toEqual([
      ["provider", 4321],
      ["replay", 4321],
      ["replay", 4321],
      ["provider", 4321],
    ]);
  });

  it("has more time than a caller may take", async () => {
    const { ai, isolate } = scene({ settings: { QINGYU_DEADLINES_REQUEST_MS: "200" } });
    const end = ai.hold(1);
    expect(await isolate()()).toMatchObject(fresh("504 upstream_timeout"));
    end(200);
    expect(await isolate()()).toMatchObject(again("第1章"));
  });

  it.each([
    ["it has none", { headers: { "idempotency-key": "" } }, {}],
    ["it may be stored nowhere", { headers: { "cache-control": "no-store" } }, {}],
    ["the settings say so", {}, { QINGYU_RUNS_MAX_MS: "0" }],
  ])("is not carried on where %s", async (_, ask, settings) => {
    const { runs, isolate } = scene({ settings });
    await isolate()(ask);
    expect(runs.asked()).toEqual([]);
  });

  it("is given again however long the answer is, and whatever else was asked meanwhile", async () => {
    const { ai, isolate } = scene({ titleOf: (call) => noise(call === 1 ? 1_500_000 : 3) });
    const first = await isolate()();
    await isolate()({ key: "other" });
    const second = await isolate()();
    expect([first.said.length, second.replayed, second.said === first.said]).toEqual([1_500_000, true, true]);
    expect(ai.asked.length).toBe(2);
  });

  it("leaves nothing after a day", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ai, runs, isolate } = scene();
    await isolate()();
    const [stub] = runs.asked();
    if (!stub) throw new Error("no object was asked");
    vi.setSystemTime(Date.now() + 86_399_000);
    // An alarm may come too often.
    await runDurableObjectAlarm(stub);
    expect(await isolate()()).toMatchObject(again("第1章"));
    vi.setSystemTime(Date.now() + 1_000);
    await runDurableObjectAlarm(stub);
    expect(await atRest(stub)).toBe("");
    vi.useRealTimers();
    expect(await isolate()({ task: "别的" })).toMatchObject(fresh("第2章"));
    expect(ai.asked.length).toBe(2);
  });
});

describe("what a run keeps", () => {
  it("is nothing of the request, and its answer sealed", async () => {
    const { ai, runs, isolate } = scene({ settings: { CACHE_ENCRYPTION_KEY: "k".repeat(32) }, titleOf: () => "夜雨" });
    const end = ai.hold(1);
    const first = isolate()({ key: "my-own-key" });
    await ai.arrived(1);
    const before = await atRest(runs.asked()[0]);
    end(200);
    await first;
    await runs.over(1);
    const after = await atRest(runs.asked()[0]);
    expect(after).toContain("answer:0000");
    for (const text of [before, after, ...runs.log]) {
      for (const secret of [task, "夜雨", "my-own-key"]) expect(text).not.toContain(secret);
    }
    expect(await isolate()({ key: "my-own-key" })).toMatchObject(again("夜雨"));
  });

  it("is asked for anew where it was sealed under another secret", async () => {
    const { ai, isolate, deployed } = scene();
    await isolate()();
    const settings = { CACHE_ENCRYPTION_KEY: "k".repeat(32) };
    expect(await deployed(settings)()).toMatchObject(fresh("第2章"));
    expect(await deployed(settings)()).toMatchObject(again("第2章"));
    expect(ai.asked.length).toBe(2);
  });

  it("is no more memory than an isolate has for what is in flight", async () => {
    const { ai, isolate } = scene({ settings: { QINGYU_LIMITS_PROMPT_CHARS: "10000000" } });
    const ends = [1, 2].map((call) => ai.hold(call));
    const long = { task: "x".repeat(3_900_000) };
    const first = ["a", "b"].map((key) => isolate()({ key, ...long }));
    await ai.arrived(2);
    expect(await isolate()({ key: "c", ...long })).toMatchObject(fresh("503 overloaded"));
    for (const end of ends) end(200);
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await isolate()({ key: "c", ...long })).status).toBe(200);
  });
});

describe("an object", () => {
  it("that knows nothing of a run says so to who waits for it", async () => {
    const { ai, runs, isolate } = scene();
    const objects = broken(runs.objects, "wait", (_, stub) => stub.wait("another", 0));
    expect(await isolate(objects)()).toMatchObject(fresh("503 run_lost"));
    expect(await isolate()()).toMatchObject(again("第1章"));
    expect(ai.asked.length).toBe(1);
  });

  it("that cannot be asked is as good as none", async () => {
    const { ai, runs, isolate } = scene();
    const answer = await isolate(broken(runs.objects, "find", () => Promise.reject(new Error("object"))))();
    expect(answer).toMatchObject(fresh("第1章"));
    expect(answer.log.map((line) => at(JSON.parse(line), "message"))).toEqual(["run_unreachable", "request"]);
    expect([ai.asked.length, runs.log]).toEqual([1, []]);
  });

  it("that may have begun is not asked to begin again", async () => {
    const { ai, runs, isolate } = scene();
    const objects = broken(runs.objects, "begin", async (go) => {
      await go();
      throw new Error("object");
    });
    const answer = await isolate(objects)();
    expect(answer).toMatchObject(fresh("503 run_unknown"));
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(await isolate()()).toMatchObject(again("第1章"));
    expect(ai.asked.length).toBe(1);
  });

  it.each([
    [1, fresh("第1章")],
    [3, fresh("503 run_unknown")],
  ])("that does not answer who waits is asked again: %i times", async (times, expected) => {
    const { ai, runs, isolate } = scene();
    let waits = 0;
    const objects = broken(runs.objects, "wait", (go) =>
      ++waits <= times ? Promise.reject(new Error("object")) : go(),
    );
    expect(await isolate(objects)()).toMatchObject(expected);
    expect(await isolate()()).toMatchObject(again("第1章"));
    expect(ai.asked.length).toBe(1);
  });

  it("has no more than so many wait for it", async () => {
    const { ai, isolate } = scene();
    const end = ai.hold(1);
    const first = isolate()();
    await ai.arrived(1);
    const others = Array.from({ length: 32 }, () => isolate()());
    expect(await Promise.race(others)).toMatchObject(fresh("503 overloaded"));
    end(200);
    const said = (await Promise.all([first, ...others])).map((answer) => answer.said);
    expect(said.filter((each) => each === "第1章").length).toBe(32);
    expect(ai.asked.length).toBe(1);
  });
});
