import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, sha256Hex, testApp } from "./support/app-on-fake-network.ts";
import { provider, upstream } from "./support/upstream.ts";
import { type Ask, gateway, type Surface } from "./support/worker-on-sockets.ts";
import { badPieces, goodText } from "./upstreams/texts.ts";

/** A gateway with a cache, in front of one back end, and a question that nobody else asks. */
function scene(scenario: string, settings: Record<string, string> = {}, more: Record<string, string> = {}) {
  const ai = upstream(scenario);
  const { ask, open } = gateway([provider("ai", "openai", ai, more)], { QINGYU_CACHE_ENABLED: "true", ...settings });
  const question = crypto.randomUUID();
  const bodies: Record<Surface, object> = {
    openai: { messages: [{ role: "user", content: question }] },
    qingyu: { prompt: question },
    connect: { prompt: question },
  };
  const asked = ({ surface = "openai", ...rest }: Ask = {}): Ask => ({
    surface,
    body: { ...bodies[surface] },
    ...rest,
  });
  return { ai, ask: (how?: Ask) => ask(asked(how)), open: (how?: Ask) => open(asked(how)) };
}

const many = (count: number, each: (index: number) => Promise<unknown>) =>
  Promise.all(Array.from({ length: count }, (_, index) => each(index)));

describe("identical requests in flight", () => {
  it("make one upstream call, a thousand of them, plain and streamed", async () => {
    const { ai, ask } = scene("slow:200");
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, index) => ask({ stream: index % 2 === 0 })));
    expect(new Set(answers.map(({ status, content }) => `${status} ${content}`))).toEqual(new Set([`200 ${goodText}`]));
    const cache = Map.groupBy(answers, ({ headers }) => headers.get("x-cache"));
    expect([cache.get("MISS")?.length, cache.get("COALESCED")?.length]).toEqual([1, 999]);
    expect(await ai.seen()).toHaveLength(1);
  });

  it("make one upstream call also where the store is slow to say of a late one that it has nothing", async () => {
    const { network, seen } = fakeOpenAi();
    const held = Promise.withResolvers<void>();
    let reads = 0;
    const kv = new Proxy(env.CACHE, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : async (key: string) => {
              if (key.startsWith("generate:") && ++reads === 2) await held.promise;
              return null;
            },
    });
    const app = testApp({ network, kv, settings: { ...onlyOpenAi, QINGYU_CACHE_READ_TIMEOUT_MS: "10000" } });
    const body = { messages: [{ role: "user", content: "once" }] };
    const [first, late] = [app.post("/v1/chat/completions", body), app.post("/v1/chat/completions", body)];
    expect((await first).headers.get("x-cache")).toBe("MISS");
    held.resolve();
    expect((await late).headers.get("x-cache")).toBe("HIT");
    expect(seen).toHaveLength(1);
  });

  it.each([true, false])("say so in their headers and their log: leader streams %s", async (stream) => {
    const { ask } = scene("slow:100");
    const [leader, joined] = await Promise.all([ask({ stream }), ask()]);
    expect(leader.headers.get("cache-status")).toMatch(/^QingyuGateway; fwd=miss/);
    expect(joined.headers.get("cache-status")).toBe("QingyuGateway; fwd=miss; collapsed");
    expect(joined.headers.get("x-qingyu-provider")).toBe("ai");
    expect(JSON.parse(joined.log.at(-1) ?? "")).toMatchObject({ cache: "coalesced", attempts: [] });
  });

  it("are told what came so far and then follow live, however late they come", async () => {
    const upstreamOpen = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
    let calls = 0;
    const network = new Hono().post("/v1/chat/completions", () => {
      calls++;
      const body = new ReadableStream<Uint8Array>({ start: upstreamOpen.resolve });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    const app = testApp({ network });
    const question = { messages: [{ role: "user", content: crypto.randomUUID() }] };
    const open = async () => {
      const answer = await app.fetch("http://localhost/v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...question, stream: true }),
      });
      return answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    };
    type Reader = Awaited<ReturnType<typeof open>>;
    const readUntil = async (reader: Reader, end: string) => {
      let text = "";
      while (!text.includes(end)) {
        const { value, done = true } = (await reader?.read()) ?? {};
        if (done) throw new Error(`ended without ${end}: ${text}`);
        text += value;
      }
      return text;
    };
    const send = async (...events: readonly unknown[]) => {
      const controller = await upstreamOpen.promise;
      for (const event of events) controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
    };
    const token = (content: string) => ({ choices: [{ index: 0, delta: { content } }] });

    const opened = open();
    await send(token("one"), token("two"));
    const first = await opened;
    await readUntil(first, "two");
    // What is still to come is sent only when the late one has been told what came so far.
    const late = await open();
    expect(await readUntil(late, "two")).toContain("one");
    await send(token("three"), { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
    (await upstreamOpen.promise).close();
    for (const reader of [first, late]) expect(await readUntil(reader, "[DONE]")).toContain("three");
    expect((await app.post("/v1/chat/completions", question)).headers.get("x-cache")).toBe("HIT");
    expect(calls).toBe(1);
  });

  it("do not ask a silent provider again and again", async () => {
    const { ai, ask } = scene("silent", { QINGYU_DEADLINES_REQUEST_MS: "300" });
    const answers = await Promise.all([ask({ stream: true }), ask({ stream: true }), ask({ stream: true })]);
    expect(answers.map(({ status }) => status)).toEqual([504, 504, 504]);
    expect(await ai.seen()).toHaveLength(1);
  });

  it("are not joined by who wants nothing stored, or asks something else", async () => {
    const { ai, ask } = scene("slow:150");
    await Promise.all([
      ask(),
      ask({ headers: { "cache-control": "no-store" } }),
      ask({ body: { messages: [{ role: "user", content: crypto.randomUUID() }] } }),
    ]);
    expect(await ai.seen()).toHaveLength(3);
  });

  it("fail for all in the same way", async () => {
    const { ai, ask } = scene("slow-status:150:400");
    const answers = await Promise.all([ask(), ask({ stream: true }), ask({ surface: "openai" })]);
    expect(answers.map(({ status, code }) => [status, code])).toEqual([1, 2, 3].map(() => [400, "invalid_request"]));
    expect(await ai.seen()).toHaveLength(1);
    // And nothing of it stays behind.
    await ask();
    expect(await ai.seen()).toHaveLength(2);
  });

  it("fail live for those who read live, and are asked for again by those who can still be helped", async () => {
    const { ai, ask } = scene("turns:slow-cut:200|ok");
    const [live, alsoLive, plain, atomic] = await Promise.all([
      ask({ stream: true }),
      ask({ stream: true }),
      ask(),
      ask({ stream: true, headers: { "x-qingyu-delivery": "atomic" } }),
    ]);
    for (const broken of [live, alsoLive]) {
      expect([broken.status, broken.content, broken.code]).toEqual([200, badPieces.join(""), "upstream_bad_response"]);
    }
    for (const whole of [plain, atomic]) expect([whole.status, whole.content]).toEqual([200, goodText]);
    expect(await ai.seen()).toHaveLength(2);
  });
});

describe("a caller who leaves a shared call", () => {
  it.each([true, false])("disturbs nobody, not even as its leader: stream %s", async (stream) => {
    const { ai, ask, open } = scene("slow:200");
    const caller = new AbortController();
    const leader = open({ stream, signal: caller.signal });
    await ai.seen("open");
    const others = Promise.all([ask(), ask({ stream: true })]);
    // They have joined long before the fault server has answered this.
    await ai.seen("open");
    caller.abort();
    expect((await others).map(({ status, content }) => [status, content])).toEqual([1, 2].map(() => [200, goodText]));
    await (await leader).body?.cancel();
    expect((await ai.seen()).map(({ state }) => state)).toEqual(["answered"]);
  });

  it("ends it as the last one", async () => {
    const { ai, open } = scene("silent-mid");
    const callers = [new AbortController(), new AbortController()];
    const answers = callers.map(({ signal }) => open({ stream: true, signal }));
    const readers = (await Promise.all(answers)).map(({ body }) => body?.getReader());
    for (const reader of readers) await reader?.read();
    callers[0]?.abort();
    // One reader is left, so the call goes on.
    expect((await ai.seen()).map(({ state }) => state)).toEqual(["open"]);
    callers[1]?.abort();
    expect((await ai.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });

  it("ends a call that has not begun to answer", async () => {
    const { ai, open } = scene("silent");
    const callers = Array.from({ length: 3 }, () => new AbortController());
    const answers = callers.map(({ signal }) => open({ signal }));
    await ai.seen("open");
    for (const caller of callers) caller.abort();
    expect((await ai.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    for (const answer of answers) await (await answer).body?.cancel();
    expect(await ai.seen()).toHaveLength(1);
  });

  it("is written down as what it was", async () => {
    const { ai, ask } = scene("silent");
    const caller = new AbortController();
    const answer = ask({ signal: caller.signal });
    await ai.seen("open");
    caller.abort();
    const { log, status } = await answer;
    expect([status, JSON.parse(log.at(-1) ?? "")]).toMatchObject([
      499,
      { error: "cancelled", attempts: [{ provider: "ai", outcome: "canceled" }] },
    ]);
  });

  it("leaves the key to whoever comes next", async () => {
    const { ai, ask, open } = scene("turns:silent|ok");
    const caller = new AbortController();
    const gone = open({ signal: caller.signal });
    await ai.seen("open");
    caller.abort();
    expect((await ask()).content).toBe(goodText);
    await (await gone).body?.cancel();
  });
});

describe("the time limits of a shared call", () => {
  it("are each caller's own", async () => {
    const { ai, ask } = scene("slow:600");
    const [patient, hurried] = await Promise.all([ask(), ask({ headers: { "x-request-timeout-ms": "200" } })]);
    expect([patient.status, hurried.status, hurried.code]).toEqual([200, 504, "upstream_timeout"]);
    expect(await ai.seen()).toHaveLength(1);
  });

  it("of a leader in a hurry do not end it for the others", async () => {
    const { ai, ask } = scene("turns:slow:400|ok");
    const hurried = ask({ headers: { "x-request-timeout-ms": "200" } });
    await ai.seen("open");
    const patient = await ask();
    expect([(await hurried).status, patient.status]).toEqual([504, 200]);
  });

  it("hold a stream back that nobody reads, however many share it", async () => {
    const { ai, open } = scene("endless-tokens");
    const readers = (await Promise.all([open({ stream: true }), open({ stream: true })])).map(({ body }) =>
      body?.getReader(),
    );
    for (const reader of readers) await reader?.read();
    expect((await ai.seen("stalled")).map(({ state }) => state)).toEqual(["stalled"]);
    for (const reader of readers) await reader?.cancel();
    expect((await ai.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });
});

describe("nothing partial, filtered, empty or failed", () => {
  const faults = [
    "reset",
    "close",
    "html:200",
    "html:503",
    "status:429",
    "empty",
    "garbage",
    "vague",
    "filtered",
    "error:400:content_filter",
    "reset-body",
    "close-body",
    "reset-mid",
    "close-mid",
    "unfinished",
    "garbage-mid",
    "error-mid:server_error",
    "done-only",
    "finish:nonsense",
    "finish:content_filter",
    "not-utf8",
    "deep",
    "redirect:302",
    "slow-cut:20",
    "garbled",
  ];

  it("is ever stored, whatever the fault and whoever asks", async () => {
    const list = async () => new Set((await env.CACHE.list()).keys.map(({ name }) => name));
    const before = await list();
    await many(faults.length, async (index) => {
      for (const stream of [false, true]) {
        const { ask } = scene(faults[index] ?? "");
        await Promise.all([
          ask({ stream }),
          ask({ stream: !stream }),
          ask({ stream, headers: { "idempotency-key": crypto.randomUUID() } }),
        ]);
      }
    });
    const added = [...(await list())].filter((name) => !before.has(name));
    const kept = await Promise.all(
      added.map(
        async (name) =>
          `${name} ${new TextDecoder().decode((await env.CACHE.get(name, "arrayBuffer")) ?? new ArrayBuffer())}`,
      ),
    );
    // What a caller was told as complete is replayed under his idempotency key, also where it is filtered or has a gap.
    const isReplay = (entry: string) => /^idempotency:.*("content_filter"|"hasGap")/s.test(entry);
    expect(kept.filter((entry) => !isReplay(entry))).toEqual([]);
  });
});

describe("a Durable Object that misbehaves", () => {
  const settings = { ...onlyOpenAi, QINGYU_CACHE_COORDINATE: "true" };
  const body = () => ({ messages: [{ role: "user", content: crypto.randomUUID() }] });
  const objects = (method: string, act: () => unknown) =>
    new Proxy(env.COORDINATOR, {
      get: (all, name) =>
        name !== "get"
          ? Reflect.get(all, name).bind(all)
          : (id: DurableObjectId) =>
              new Proxy(all.get(id), { get: (stub, called) => (called === method ? act : Reflect.get(stub, called)) }),
    });

  it.each<[string, string, () => unknown]>([
    ["throws when it is asked", "claim", () => Promise.reject(new Error("object"))],
    ["hangs when it is asked", "claim", () => new Promise(() => {})],
    ["says wait and then nothing", "claim", () => Promise.resolve({ role: "wait" })],
    ["hands out rubbish", "claim", () => Promise.resolve({ role: "done", answer: new Uint8Array(40) })],
    ["throws when it is told", "settle", () => Promise.reject(new Error("object"))],
  ])("that %s changes no answer", async (_, method, act) => {
    const { network, seen } = fakeOpenAi();
    const app = testApp({ network, settings, coordinators: objects(method, act) });
    const sinceMs = Date.now();
    for (const stream of [false, true]) {
      const answer = await app.post("/v1/chat/completions", { ...body(), stream });
      expect([answer.status, answer.text.includes("青")]).toEqual([200, true]);
    }
    expect(seen).toHaveLength(2);
    expect(Date.now() - sinceMs).toBeLessThan(5_000);
  });

  it("keeps its answer for isolates that come late, and shows it to no other tenant", async () => {
    const { network, seen } = fakeOpenAi();
    const keys = await Promise.all(["one", "two"].map(async (name) => `${name}:${await sha256Hex(name)}`));
    const both = { ...settings, GATEWAY_API_KEYS: keys.join(",") };
    const asked = body();
    // No KV that could help: only the object can know.
    const kv = new Proxy(env.CACHE, {
      get: (all, name) => (name === "get" ? async () => null : Reflect.get(all, name).bind(all)),
    });
    const ask = async (tenant: string) =>
      await testApp({ network, kv, settings: both, coordinators: env.COORDINATOR }).post(
        "/v1/chat/completions",
        asked,
        {
          authorization: `Bearer ${tenant}`,
        },
      );
    expect((await ask("one")).headers.get("x-cache")).toBe("MISS");
    expect((await ask("one")).headers.get("x-cache")).toBe("COALESCED");
    expect((await ask("two")).headers.get("x-cache")).toBe("MISS");
    expect(seen).toHaveLength(2);
  });
});
