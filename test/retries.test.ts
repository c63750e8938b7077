import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { testApp } from "./support/app-on-fake-network.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { completion } from "./upstreams/openai-answers.ts";
import { goodText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];

/** What one more try may mend, in the words of `x-qingyu-attempts`. */
const mendable = {
  reset: "unavailable",
  close: "unavailable",
  "status:500": "internal",
  "html:502": "unavailable",
  "html:503": "unavailable",
} as const;
const cases = kinds.flatMap((kind) =>
  Object.entries(mendable).flatMap(([scenario, reason]) =>
    [false, true].map((stream) => ({ kind, scenario, reason, stream })),
  ),
);

/** A gateway whose only provider plays these scenarios, one for each time that it is asked. */
function asking(kind: Kind, turns: string, settings?: Record<string, string>) {
  const first = upstream(`turns:${turns}`);
  return { ...gateway([provider("first", kind, first)], settings), first };
}

describe.concurrent("a provider that fails once", () => {
  it.each(cases)("is asked once more: $kind, stream $stream, $scenario", async ({ kind, scenario, reason, stream }) => {
    const { ask, first } = asking(kind, `${scenario}|ok`);
    const { status, content, attempts } = await ask({ stream });
    expect([status, content, attempts]).toEqual([200, goodText, `first:${reason}, first:ok`]);
    expect(await first.seen()).toHaveLength(2);
  });

  it.each(kinds)("is asked twice at most: %s", async (kind) => {
    const { ask, first } = asking(kind, "html:503|html:503|ok");
    expect((await ask()).attempts).toBe("first:unavailable, first:unavailable");
    expect(await first.seen()).toHaveLength(2);
  });

  it("is asked before the next one", async () => {
    const [first, second] = [upstream("turns:reset|ok"), upstream("ok")];
    const { ask } = gateway([provider("first", "openai", first), provider("second", "openai", second)]);
    expect((await ask()).attempts).toBe("first:unavailable, first:ok");
    expect(await second.seen()).toEqual([]);
  });

  const once = ["silent", "silent-body", "status:408", "status:504", "empty", "html:200", "status:409"];
  it.each(once)("is not asked again after %s", async (scenario) => {
    const { ask, first } = asking("openai", `${scenario}|ok`, { QINGYU_DEADLINES_REQUEST_MS: "1500" });
    expect((await ask()).status).toBeGreaterThanOrEqual(500);
    expect(await first.seen()).toHaveLength(1);
  });

  it.each(["error-opening:server_error", "error-opening:rate_limit_exceeded", "reset-body"])(
    "is not asked again once a byte of its answer has come: %s",
    async (scenario) => {
      const { ask, first } = asking("openai", `${scenario}|ok`);
      expect((await ask({ stream: true })).status).toBeGreaterThanOrEqual(400);
      expect(await first.seen()).toHaveLength(1);
    },
  );

  it("is not asked again with an account that is used up", async () => {
    const { ask, first } = asking("openai", "error:429:insufficient_quota|ok");
    expect((await ask()).attempts).toBe("first:quota_exhausted");
    expect(await first.seen()).toHaveLength(1);
  });
});

describe.concurrent("a provider that asks for time", () => {
  const spellings = [
    { said: "retry-after=1", leastMs: 1_000 },
    { said: "retry-after=0.4", leastMs: 400 },
    { said: "retry-after-ms=600", leastMs: 600 },
    { said: "retry-after=date+3", leastMs: 1_000 },
    { said: "retry-after=date+0", leastMs: 0 },
    { said: "retry-after=nonsense", leastMs: 0 },
    { said: "x-nothing=1", leastMs: 0 },
  ];

  it.each(spellings)("gets it: $said", async ({ said, leastMs }) => {
    const { ask } = asking("openai", `limited:${said}|ok`);
    const sinceMs = Date.now();
    const { status, attempts } = await ask();
    expect([status, attempts]).toEqual([200, "first:rate_limited, first:ok"]);
    expect(Date.now() - sinceMs).toBeGreaterThanOrEqual(leastMs - 5);
    expect(Date.now() - sinceMs).toBeLessThan(leastMs + 3_000);
  });

  const tooLong = [
    { what: "more than five seconds", said: "retry-after=6", timeoutMs: 60_000 },
    { what: "more than the deadline has", said: "retry-after-ms=4000", timeoutMs: 5_000 },
  ];
  it.each(tooLong)("is left for the next one: $what", async ({ said, timeoutMs }) => {
    const [first, second] = [upstream(`turns:limited:${said}|ok`), upstream("ok")];
    const { ask } = gateway([provider("first", "openai", first), provider("second", "openai", second)]);
    const sinceMs = Date.now();
    expect((await ask({ headers: { "x-request-timeout-ms": String(timeoutMs) } })).attempts).toBe(
      "first:rate_limited, second:ok",
    );
    // Far less than it asked for.
    expect(Date.now() - sinceMs).toBeLessThan(3_000);
    expect(await first.seen()).toHaveLength(1);
  });

  it("is not waited for once the caller has left", async () => {
    const { open, first } = asking("openai", "limited:retry-after=5|ok");
    const caller = new AbortController();
    const answer = open({ signal: caller.signal });
    await first.seen("answered");
    const sinceMs = Date.now();
    caller.abort();
    await (await answer).body?.cancel();
    expect(Date.now() - sinceMs).toBeLessThan(3_500);
    expect(await first.seen()).toHaveLength(1);
  });
});

describe("the retry budget", () => {
  it("keeps retries to ten and a tenth of all requests, and then asks the caller to hold back too", async () => {
    let visits = 0;
    const script: boolean[] = [];
    const network = new Hono().post("/v1/chat/completions", (c) => {
      visits++;
      return script.shift() ? c.json(completion("好")) : c.json({}, 500);
    });
    const app = testApp({ network });
    const body = { messages: [{ role: "user", content: "问" }] };
    const ask = async (...answers: boolean[]) => {
      script.splice(0, script.length, ...answers);
      return await app.post("/v1/chat/completions", body, { "cache-control": "no-store" });
    };
    const retried: boolean[] = [];
    let last = await ask(true);
    // Two good requests between bad ones, so that no breaker has a reason to open.
    for (let round = 0; round < 20; round++) {
      for (const _ of [1, 2]) await ask(true);
      const before = visits;
      last = await ask(false, true);
      retried.push(visits - before === 2);
    }
    const requests = 1 + 20 * 3;
    const retries = retried.filter(Boolean).length;
    expect(retried.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => true));
    expect(retries).toBeGreaterThan(10);
    expect(retries).toBeLessThanOrEqual(10 + requests / 10);
    expect([last.status, last.headers.get("x-should-retry")]).toEqual([503, "false"]);
  });
});
