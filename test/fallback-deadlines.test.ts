import { describe, expect, it } from "vitest";
import { at } from "./support/json.ts";
import { type Kind, provider, type Upstream, upstream } from "./support/upstream.ts";
import { type Ask, type Gateway, gateway } from "./support/worker-on-sockets.ts";
import { badPieces, goodText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
const aiKinds = ["connect", "grpc-web"] as const;
const surfaces = ["openai", "qingyu", "connect"] as const;

/** How long the gateway told the AI service that it may take, in milliseconds. */
async function toldMs({ seen }: Upstream): Promise<number> {
  const [visit] = await seen();
  const { "connect-timeout-ms": connect, "grpc-timeout": grpc } = visit?.headers ?? {};
  if (connect !== undefined) return Number(connect);
  const [, value, unit] = /^(\d+)([mSM])$/.exec(grpc ?? "") ?? [];
  return Number(value) * (unit === "m" ? 1 : unit === "S" ? 1_000 : 60_000);
}

/** Asks and says how long it took. */
async function timed({ ask }: Gateway, what?: Ask) {
  const sinceMs = Date.now();
  const answer = await ask(what);
  return { ...answer, tookMs: Date.now() - sinceMs };
}

describe.concurrent("the deadline of a request", () => {
  it("spans all attempts, each of which gets 60 % of what is left", async () => {
    const [first, second, third] = [upstream("silent"), upstream("silent"), upstream("silent")];
    const asked = gateway(
      [
        provider("first", "connect", first),
        provider("second", "grpc-web", second),
        provider("third", "connect", third),
      ],
      { QINGYU_DEADLINES_REQUEST_MS: "3000" },
    );
    const { status, code, attempts, tookMs } = await timed(asked);
    expect([status, code, attempts]).toEqual([504, "upstream_timeout", "first:timeout, second:timeout, third:timeout"]);
    expect(tookMs).toBeGreaterThanOrEqual(2_990);
    expect(tookMs).toBeLessThan(6_000);

    const [firstMs = 0, secondMs = 0, thirdMs = 0] = await Promise.all([first, second, third].map(toldMs));
    // A slow machine leaves each of them less, never more; half of its 60 % is another rule.
    expect(firstMs).toBeGreaterThan(900);
    expect(firstMs).toBeLessThanOrEqual(1_800);
    expect(secondMs).toBeGreaterThan(360);
    expect(secondMs).toBeLessThanOrEqual(720);
    expect(thirdMs).toBeGreaterThan(0);
    expect(thirdMs).toBeLessThanOrEqual(480);
  });

  it.each(kinds)("leaves the last provider the rest of the time, and the next one something: %s", async (kind) => {
    const [first, second] = [upstream("silent"), upstream("slow:100")];
    const { ask } = gateway([provider("first", kind, first), provider("second", kind, second)], {
      QINGYU_DEADLINES_REQUEST_MS: "3000",
    });
    const { status, attempts } = await ask();
    expect([status, attempts]).toEqual([200, "first:timeout, second:ok"]);
  });

  it.each(aiKinds)(
    "is told to a provider that streams in full, since it cannot be replaced later: %s",
    async (kind) => {
      const [first, second] = [upstream("ok"), upstream("ok")];
      const { ask } = gateway([provider("first", kind, first), provider("second", kind, second)], {
        QINGYU_DEADLINES_REQUEST_MS: "60000",
        QINGYU_DEADLINES_FIRST_TOKEN_MS: "5000",
      });
      await ask({ stream: true });
      const told = await toldMs(first);
      expect(told).toBeGreaterThan(55_000);
      expect(told).toBeLessThanOrEqual(60_000);
    },
  );

  it.each(surfaces)("may be shortened by the caller: %s", async (surface) => {
    const first = upstream("silent");
    const asked = gateway([provider("first", "connect", first)]);
    const name = surface === "connect" ? "connect-timeout-ms" : "x-request-timeout-ms";
    const { status, tookMs } = await timed(asked, { surface, headers: { [name]: "300" } });
    expect(status).toBe(504);
    // Far less than the settings' own limits.
    expect(tookMs).toBeLessThan(5_000);
    expect(await toldMs(first)).toBeLessThanOrEqual(300);
  });

  it("may be shortened by a gRPC-Web caller", async () => {
    const first = upstream("silent");
    const { open } = gateway([provider("first", "connect", first)]);
    const headers = { "content-type": "application/grpc-web+json", "grpc-timeout": "300m" };
    const sinceMs = Date.now();
    const answer = await (await open({ surface: "connect", stream: true, headers })).text();
    expect(answer).toMatch(/grpc-status: ?4\r\n/);
    expect(Date.now() - sinceMs).toBeLessThan(5_000);
    expect(await toldMs(first)).toBeLessThanOrEqual(300);
  });

  it.each([{ stream: false }, { stream: true }, { stream: true, headers: { "x-qingyu-delivery": "atomic" } }])(
    "is kept whatever is tried meanwhile: %j",
    async (how) => {
      const chain = [
        provider("first", "openai", upstream("turns:limited:retry-after-ms=200|silent")),
        provider("second", "connect", upstream("turns:html:503|silent")),
        provider("third", "openai", upstream("silent")),
      ];
      const settings = {
        QINGYU_DEADLINES_REQUEST_MS: "1500",
        QINGYU_HEDGE_AFTER_MS: "300",
        QINGYU_HEDGE_MAX_PERCENT: "100",
      };
      const { status, tookMs } = await timed(gateway(chain, settings), how);
      expect(status).toBe(429);
      expect(tookMs).toBeLessThan(4_000);
    },
  );

  it("is not made longer by the caller", async () => {
    const first = upstream("ok");
    const { ask } = gateway([provider("first", "connect", first)], { QINGYU_DEADLINES_REQUEST_MS: "5000" });
    await ask({ headers: { "x-request-timeout-ms": "60000" } });
    expect(await toldMs(first)).toBeLessThanOrEqual(5_000);
  });

  it("tells a client not to ask again when it is spent", async () => {
    const { ask } = gateway([provider("first", "openai", upstream("silent"))], { QINGYU_DEADLINES_REQUEST_MS: "200" });
    const { status, headers } = await ask();
    expect([status, headers.get("x-should-retry")]).toEqual([504, "false"]);
  });
});

describe.concurrent("the limit for the first token", () => {
  /** Far longer than any upstream takes that answers at all. */
  const quick = { QINGYU_DEADLINES_FIRST_TOKEN_MS: "1000" };
  const cases = kinds.flatMap((kind) => ["silent", "silent-body", "chatty"].map((scenario) => ({ kind, scenario })));

  it.each(cases)("moves a stream on to the next provider: $kind, $scenario", async ({ kind, scenario }) => {
    const first = upstream(scenario);
    const asked = gateway([provider("first", kind, first), provider("second", "openai", upstream("ok"))], quick);
    const { status, attempts, tookMs } = await timed(asked, { stream: true });
    expect([status, attempts]).toEqual([200, "first:timeout, second:ok"]);
    expect(tookMs).toBeGreaterThanOrEqual(990);
    expect(tookMs).toBeLessThan(5_000);
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });

  it.each(aiKinds)("begins anew while the service says that its model thinks: %s", async (kind) => {
    const first = upstream("thinking:1200");
    const chain = [provider("first", kind, first), provider("second", "openai", upstream("ok"))];
    const { status, attempts, content } = await gateway(chain, quick).ask({ stream: true });
    expect([status, attempts, content]).toEqual([200, "first:ok", goodText]);
  });

  it.each(kinds)("does not hurry a stream where nobody else is left: %s", async (kind) => {
    const late = () => provider("last", kind, upstream("slow:1300"));
    const alone = await gateway([late()], quick).ask({ stream: true });
    expect([alone.status, alone.attempts, alone.content]).toEqual([200, "last:ok", goodText]);
    const chain = gateway([provider("first", "openai", upstream("html:200")), late()], quick);
    const last = await chain.ask({ stream: true });
    expect([last.status, last.attempts]).toEqual([200, "first:malformed, last:ok"]);
  });

  it("does not hurry a stream where the others may not be asked", async () => {
    const [bad, good] = ["html:200", "ok"];
    const first = upstream(`turns:${[bad, bad, bad, bad, good, bad, "slow:1300"].join("|")}`);
    const chain = [provider("first", "openai", first), provider("second", "openai", upstream(bad))];
    const { ask } = gateway(chain, quick);
    // Five failures in a row of the second one, not of the first.
    for (const _ of [1, 2, 3, 4, 5, 6]) await ask({ stream: true });
    expect((await ask({ stream: true })).attempts).toBe("first:ok");
  });

  it.each(kinds)("does not hurry plain answers: %s", async (kind) => {
    const { ask } = gateway([provider("first", kind, upstream("slow:1300"))], quick);
    const { status, content } = await ask();
    expect([status, content]).toEqual([200, goodText]);
  });
});

describe.concurrent("the limit for silence between tokens", () => {
  it.each(kinds)("ends a stream that only pretends to live, and its call: %s", async (kind) => {
    const first = upstream("chatty:mid");
    const asked = gateway([provider("first", kind, first)], { QINGYU_DEADLINES_IDLE_MS: "600" });
    const { content, events, tookMs } = await timed(asked, { stream: true });
    expect([content, at(events.at(-1), "error", "code")]).toEqual([badPieces.join(""), "upstream_timeout"]);
    expect(tookMs).toBeLessThan(5_000);
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });

  it.each(aiKinds)("begins anew while the service says that its model thinks: %s", async (kind) => {
    const asked = gateway([provider("first", kind, upstream("thinking:900"))], { QINGYU_DEADLINES_IDLE_MS: "600" });
    const { content, events } = await asked.ask({ stream: true });
    expect([content, events.at(-1)]).toEqual([goodText, "[DONE]"]);
  });

  it.each(kinds)("is for each silence, not for all of them: %s", async (kind) => {
    const asked = gateway([provider("first", kind, upstream("slow:600"))], { QINGYU_DEADLINES_IDLE_MS: "1500" });
    const { content, events, tookMs } = await timed(asked, { stream: true });
    expect([content, events.at(-1)]).toEqual([goodText, "[DONE]"]);
    expect(tookMs).toBeGreaterThan(1_500);
  });
});

describe.concurrent("an attempt that is given up", () => {
  const cases: readonly { kind: Kind; scenarios: readonly string[]; stream: boolean }[] = [
    { kind: "openai", stream: false, scenarios: ["silent", "silent-body", "endless"] },
    { kind: "openai", stream: true, scenarios: ["endless"] },
    { kind: "connect", stream: false, scenarios: ["silent", "silent-body", "endless"] },
    { kind: "connect", stream: true, scenarios: ["endless", "giant-frame"] },
    { kind: "grpc-web", stream: false, scenarios: ["silent", "silent-body", "endless", "giant-frame"] },
    { kind: "grpc-web", stream: true, scenarios: ["endless", "giant-frame"] },
  ];
  const rows = cases.flatMap(({ scenarios, ...row }) => scenarios.map((scenario) => ({ ...row, scenario })));

  it.each(rows)("leaves no call behind: $kind, stream $stream, $scenario", async ({ kind, stream, scenario }) => {
    const first = upstream(scenario);
    const settings: Record<string, string> = scenario.startsWith("silent")
      ? { QINGYU_DEADLINES_REQUEST_MS: "3000" }
      : {};
    const asked = gateway([provider("first", kind, first), provider("second", "openai", upstream("ok"))], settings);
    const { status, headers, tookMs } = await timed(asked, { stream });
    expect([status, headers.get("x-qingyu-provider")]).toEqual([200, "second"]);
    // However much was announced or sent, it was neither waited for nor kept.
    expect(tookMs).toBeLessThan(10_000);
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });
});

// On its own, so that no other test makes the runtime collect what was forgotten.
describe("an answer that is refused for its announced length", () => {
  it.each(["openai", "connect"] as const)("leaves no call behind: %s", async (kind) => {
    const first = upstream("announced");
    const { ask } = gateway([provider("first", kind, first), provider("second", "openai", upstream("ok"))]);
    expect((await ask()).attempts).toBe("first:oversized, second:ok");
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });
});

describe.concurrent("how long a provider wants to be left alone", () => {
  const cases = [
    { said: "retry-after=7", seconds: 7 },
    { said: "retry-after-ms=7500", seconds: 8 },
    { said: "retry-after=nonsense", seconds: 1 },
    { said: "retry-after=-5", seconds: 1 },
    { said: "retry-after=99999999999999999999", seconds: 1 },
    { said: "x-nothing=1", seconds: 1 },
  ];

  it.each(cases)("is passed on: $said", async ({ said, seconds }) => {
    const { ask } = gateway([provider("first", "openai", upstream(`limited:${said}`))]);
    const { status, headers } = await ask();
    expect([status, headers.get("retry-after")]).toEqual([429, String(seconds)]);
  });

  it("may be a date", async () => {
    const { ask } = gateway([provider("first", "openai", upstream("limited:retry-after=date+30"))]);
    const seconds = Number((await ask()).headers.get("retry-after"));
    expect(seconds).toBeGreaterThan(25);
    expect(seconds).toBeLessThanOrEqual(30);
  });
});
