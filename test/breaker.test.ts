import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { readBody } from "./support/body.ts";
import { at } from "./support/json.ts";
import { provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { completion } from "./upstreams/openai-answers.ts";

const path = "/v1/chat/completions";
const body = { messages: [{ role: "user", content: "问" }] };
const fresh = { "cache-control": "no-store" };

/** Two providers in this isolate, of which the first does what the test says, on a clock that the test moves. */
function chain(providers = ["first", "second"]) {
  vi.useFakeTimers({ toFake: ["Date"] });
  const visits = new Map<string, number>();
  const state: { answer: () => Response | Promise<Response> } = { answer: good };
  const network = new Hono().post("/:name/chat/completions", (c) => {
    const name = c.req.param("name");
    visits.set(name, (visits.get(name) ?? 0) + 1);
    return name === "first" ? state.answer() : good();
  });
  const entries = providers.map((name) => ({ name, type: "openai", baseUrl: `https://ai.test/${name}` }));
  const app = testApp({ network, settings: { AI_PROVIDERS: entries } });
  return {
    app,
    ask: async (headers: Record<string, string> = {}) => {
      const answer = await app.post(path, body, { ...fresh, ...headers });
      return { ...answer, attempts: answer.headers.get("x-qingyu-attempts") };
    },
    /** How often the first one has been asked since the last time. */
    visits: () => {
      const count = visits.get("first") ?? 0;
      visits.clear();
      return count;
    },
    answering: (answer: () => Response | Promise<Response>) => {
      state.answer = answer;
    },
    pass: (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000),
    ready: async () => at((await app.send("/health/ready")).json(), "dependencies", "first", "breaker"),
  };
}

const good = () => Response.json(completion("好"));
const down = () => Response.json({}, { status: 503 });
/** Counts as one failure, since it is not asked for again. */
const broken = () => new Response("<html>", { headers: { "content-type": "text/html" } });
const refusing = () => Response.json({ error: { code: "invalid_value" } }, { status: 400 });

const skipped = "first:breaker_open, second:ok";

/** One after the other. */
async function times(count: number, run: () => Promise<unknown>): Promise<void> {
  for (let index = 0; index < count; index++) await run();
}

afterEach(() => void vi.useRealTimers());

describe("a breaker", () => {
  it("opens on five failures in a row and then keeps everybody away", async () => {
    const { ask, answering, visits, ready } = chain();
    answering(broken);
    await times(4, ask);
    expect(await ready()).toBe("closed");
    const last = await ask();
    expect(last.attempts).toBe("first:malformed, second:ok");
    expect(visits()).toBe(5);
    expect(last.log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ message: "breaker", provider: "first", state: "open" }),
    );
    const next = await ask();
    expect([next.status, next.attempts, visits()]).toEqual([200, skipped, 0]);
  });

  it("counts a failure once that a retry could not mend, and none that it could", async () => {
    const { ask, answering, visits, ready } = chain();
    answering(down);
    await times(4, ask);
    let turn = 0;
    answering(() => (turn++ % 2 === 0 ? down() : good()));
    await times(6, ask);
    expect([visits(), await ready()]).toEqual([8 + 12, "closed"]);
    answering(down);
    await times(5, ask);
    expect([await ready(), (await ask()).attempts]).toEqual(["open", skipped]);
  });

  it("does not open where good answers come in between", async () => {
    const { ask, answering, visits } = chain();
    for (let round = 0; round < 4; round++) {
      answering(broken);
      await times(2, ask);
      answering(good);
      await times(2, ask);
    }
    expect(visits()).toBe(16);
  });

  it("opens on half of twenty within ten seconds", async () => {
    const { ask, answering, visits, ready } = chain();
    for (let round = 0; round < 10; round++) {
      answering(good);
      await ask();
      answering(broken);
      await ask();
    }
    expect([visits(), await ready()]).toEqual([20, "open"]);
  });

  it("forgets what was more than ten seconds ago", async () => {
    const { ask, answering, ready, pass } = chain();
    for (let round = 0; round < 10; round++) {
      answering(good);
      await ask();
      answering(broken);
      await ask();
      pass(1.3);
    }
    expect(await ready()).toBe("closed");
  });

  it("lets one request try after fifteen seconds, and closes when that one is answered", async () => {
    const { ask, answering, visits, ready, pass } = chain();
    answering(broken);
    await times(5, ask);
    pass(14.9);
    expect([(await ask()).attempts, await ready()]).toEqual([skipped, "open"]);
    pass(0.2);
    expect(await ready()).toBe("half_open");
    visits();

    const arrived = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    answering(async () => {
      arrived.resolve();
      await held.promise;
      return good();
    });
    const probe = ask();
    await arrived.promise;
    expect([(await ask()).attempts, (await ask()).attempts]).toEqual([skipped, skipped]);
    held.resolve();
    expect((await probe).attempts).toBe("first:ok");
    expect([visits(), await ready()]).toEqual([1, "closed"]);
    expect((await ask()).attempts).toBe("first:ok");
  });

  it("lets all others in again once the one that tried has its first token", async () => {
    const { app, ask, answering, pass } = chain();
    answering(broken);
    await times(5, ask);
    pass(15);
    const token = { choices: [{ index: 0, delta: { content: "好" } }] };
    let end = () => {};
    answering(() => {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(token)}\n\n`));
          end = () => controller.close();
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    const streaming = await app.fetch(`http://localhost${path}`, {
      method: "POST",
      body: JSON.stringify({ ...body, stream: true }),
      headers: { "content-type": "application/json", ...fresh },
    });
    answering(good);
    expect((await ask()).attempts).toBe("first:ok");
    end();
    // It broke off.
    await readBody(streaming);
  });

  it("opens again when that one fails", async () => {
    const { ask, answering, visits, ready, pass } = chain();
    answering(broken);
    await times(5, ask);
    pass(15);
    visits();
    expect([(await ask()).attempts, (await ask()).attempts]).toEqual(["first:malformed, second:ok", skipped]);
    pass(14.9);
    expect([(await ask()).attempts, visits(), await ready()]).toEqual([skipped, 1, "open"]);
  });

  it("lets another one try where the one that tried says nothing about the provider", async () => {
    const { ask, answering, pass } = chain();
    answering(broken);
    await times(5, ask);
    pass(15);
    answering(refusing);
    expect((await ask()).status).toBe(400);
    answering(good);
    expect((await ask()).attempts).toBe("first:ok");
  });

  it("is not closed or opened by requests from before", async () => {
    const { ask, answering, pass } = chain();
    const held = Promise.withResolvers<void>();
    const early: Promise<unknown>[] = [];
    for (const answer of [good, broken, broken, broken, broken, broken]) {
      const arrived = Promise.withResolvers<void>();
      answering(async () => {
        arrived.resolve();
        await held.promise;
        return answer();
      });
      early.push(ask());
      await arrived.promise;
    }
    answering(broken);
    await times(5, ask);
    pass(10);
    held.resolve();
    await Promise.all(early);
    expect((await ask()).attempts).toBe(skipped);
    pass(5);
    answering(good);
    expect((await ask()).attempts).toBe("first:ok");
  });

  it("does not open for what callers did wrong, or for what only this request cannot have", async () => {
    const { ask, answering, visits } = chain();
    const refusals = ["invalid_value", "content_filter", "context_length_exceeded", "model_not_found"];
    for (const code of refusals) {
      answering(() => Response.json({ error: { code } }, { status: 400 }));
      await times(6, ask);
    }
    expect(visits()).toBe(24);
  });

  it("makes it an immediate 503 that says when to come back where nobody else is left", async () => {
    const { app, ask, answering, visits, pass } = chain(["first"]);
    answering(broken);
    await times(5, ask);
    pass(5);
    visits();
    const { status, headers, attempts, json } = await ask();
    expect([status, at(json(), "error", "code"), attempts]).toEqual([
      503,
      "upstream_unavailable",
      "first:breaker_open",
    ]);
    expect([headers.get("retry-after"), headers.get("retry-after-ms"), visits()]).toEqual(["10", "10000", 0]);
    expect((await app.send("/health/ready")).status).toBe(503);
  });
});

describe("a provider on a socket", () => {
  it("is left alone after five cut streams", async () => {
    const [first, second] = [upstream("reset-mid"), upstream("ok")];
    const { ask } = gateway([provider("first", "openai", first), provider("second", "openai", second)]);
    await times(5, () => ask({ stream: true }));
    expect((await ask({ stream: true })).attempts).toBe(skipped);
    expect(await first.seen()).toHaveLength(5);
  });

  it("is not left alone where a stream that ended well came in between", async () => {
    const four = ["html:200", "html:200", "html:200", "html:200"];
    const [first, second] = [upstream(`turns:${[...four, "ok", ...four].join("|")}`), upstream("ok")];
    const { ask } = gateway([provider("first", "openai", first), provider("second", "openai", second)]);
    await times(9, () => ask({ stream: true }));
    expect(await first.seen()).toHaveLength(9);
  });

  it("is left alone after five silences", async () => {
    const [first, second] = [upstream("silent"), upstream("ok")];
    const settings = { QINGYU_DEADLINES_FIRST_TOKEN_MS: "300" };
    const { ask } = gateway([provider("first", "openai", first), provider("second", "openai", second)], settings);
    await times(5, () => ask({ stream: true }));
    expect((await ask({ stream: true })).attempts).toBe(skipped);
  });

  it("is not left alone for callers who gave it hardly any time", async () => {
    const first = upstream("silent");
    const { ask } = gateway([provider("first", "openai", first)]);
    await times(8, () => ask({ headers: { "x-request-timeout-ms": "20" } }));
    expect((await ask({ headers: { "x-request-timeout-ms": "20" } })).attempts).toBe("first:timeout");
  });
});
