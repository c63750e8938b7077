import { toJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { rpcCases } from "./support/rpc-cases.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { type Ask, gateway } from "./support/worker-on-sockets.ts";

/** How often a service is asked for an RPC on a network that fails, and what that says of the service. */

const kinds: readonly Kind[] = ["connect", "grpc-web"];
const longRpcs = rpcCases.filter(({ isLong }) => isLong);
const lookUps = rpcCases.filter(({ isLong }) => !isLong);

const askOf = ({ name, method, request }: (typeof rpcCases)[number]): Ask => ({
  rpc: name,
  body: JSON.parse(JSON.stringify(toJson(method.input, request))),
});

/** A gateway with two AI services that play these scenarios. */
function chain(kind: Kind, one: string, two: string, settings: Record<string, string> = {}) {
  const [first, second] = [upstream(one), upstream(two)];
  return { ...gateway([provider("first", kind, first), provider("second", kind, second)], settings), first, second };
}

/** What happens once a request is under way, in the words of `x-qingyu-attempts`. */
const faults = {
  reset: "unavailable",
  close: "unavailable",
  "reset-body": "truncated",
  "close-body": "truncated",
  silent: "timeout",
  "silent-body": "timeout",
  "html:500": "internal",
  "html:503": "unavailable",
  "error:500:internal": "internal",
  "error:503:unavailable": "unavailable",
  garbage: "malformed",
} as const;

describe.concurrent.each(kinds)("a long RPC over %s", (kind) => {
  const cases = longRpcs.flatMap((rpc) =>
    Object.entries(faults).map(([scenario, outcome]) => ({ ...rpc, scenario, outcome })),
  );

  it.each(cases)(
    "is asked for once whatever becomes of it: $name, $scenario",
    async ({ scenario, outcome, ...rpc }) => {
      const { ask, first, second } = chain(kind, `turns:${scenario}|ok`, "ok");
      const { status, attempts } = await ask({ ...askOf(rpc), headers: { "x-request-timeout-ms": "1500" } });
      expect([status, attempts]).toEqual([200, `first:${outcome}, second:ok`]);
      expect([await first.seen(), await second.seen()]).toMatchObject([{ length: 1 }, { length: 1 }]);
    },
  );

  const refusals = longRpcs.flatMap((rpc) => [
    { ...rpc, scenario: "error:429:resource_exhausted", outcome: "rate_limited" },
    // What Connect makes of a proxy's 429.
    { ...rpc, scenario: "limited:retry-after-ms=1", outcome: "unavailable" },
  ]);
  it.each(refusals)(
    "is asked for once more where it was refused before it began: $name, $scenario",
    async (refused) => {
      const { ask, first, second } = chain(kind, `turns:${refused.scenario}|ok`, "ok");
      const { status, attempts } = await ask(askOf(refused));
      expect([status, attempts]).toEqual([200, `first:${refused.outcome}, first:ok`]);
      expect([await first.seen(), await second.seen()]).toMatchObject([{ length: 2 }, { length: 0 }]);
    },
  );

  it.each(longRpcs)("is never asked of two at once: $name", async (rpc) => {
    const settings = { QINGYU_HEDGE_AFTER_MS: "50", QINGYU_HEDGE_MAX_PERCENT: "100" };
    const { ask, second } = chain(kind, "slow:400", "ok", settings);
    expect((await ask(askOf(rpc))).attempts).toBe("first:ok");
    expect(await second.seen()).toEqual([]);
  });

  it.each(longRpcs)("ends with its deadline and with its caller: $name", async (rpc) => {
    const [late, left] = [upstream("silent"), upstream("silent")];
    const { code } = await gateway([provider("ai", kind, late)]).ask({
      ...askOf(rpc),
      headers: { "x-request-timeout-ms": "300" },
    });
    expect([code, (await late.seen("left")).map(({ state }) => state)]).toEqual(["deadline_exceeded", ["left"]]);
    const caller = new AbortController();
    const answer = gateway([provider("ai", kind, left)]).open({ ...askOf(rpc), signal: caller.signal });
    await left.seen("open");
    caller.abort();
    expect((await left.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    await (await answer).body?.cancel();
  });
});

describe.concurrent.each(kinds)("a lookup over %s", (kind) => {
  const mendable = { reset: "unavailable", "html:500": "internal", "error:503:unavailable": "unavailable" };
  const cases = lookUps.flatMap((rpc) =>
    Object.entries(mendable).map(([scenario, outcome]) => ({ ...rpc, scenario, outcome })),
  );

  it.each(cases)("is asked for once more: $name, $scenario", async ({ scenario, outcome, ...rpc }) => {
    const { ask, first } = chain(kind, `turns:${scenario}|ok`, "ok");
    const { status, attempts } = await ask(askOf(rpc));
    expect([status, attempts]).toEqual([200, `first:${outcome}, first:ok`]);
    expect(await first.seen()).toHaveLength(2);
  });

  it.each(lookUps)("is asked of the next one too where it is late: $name", async (rpc) => {
    const settings = { QINGYU_HEDGE_AFTER_MS: "50", QINGYU_HEDGE_MAX_PERCENT: "100" };
    const { ask, first } = chain(kind, "silent", "ok", settings);
    expect((await ask(askOf(rpc))).attempts).toBe("first:superseded, second:ok");
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });
});

describe.concurrent.each(kinds)("a service over %s that cannot be reached", (kind) => {
  it.each(rpcCases)("is left alone by $name once generations have failed, and the other way round", async (rpc) => {
    for (const [failing, asking] of [
      [{}, askOf(rpc)],
      [askOf(rpc), {}],
    ] as const) {
      const { ask } = chain(kind, "refused", "ok");
      for (let turn = 0; turn < 5; turn++) await ask(failing);
      expect((await ask(asking)).attempts).toBe("first:breaker_open, second:ok");
    }
  });
});

describe.concurrent.each(kinds)("a service over %s that fails at one RPC", (kind) => {
  it.each(rpcCases)("is asked for everything else: $name", async (rpc) => {
    const { ask } = chain(kind, "garbage", "ok");
    for (let turn = 0; turn < 5; turn++) expect((await ask(askOf(rpc))).attempts).toBe("first:malformed, second:ok");
    expect((await ask(askOf(rpc))).attempts).toBe("first:breaker_open, second:ok");
    const others = [{}, ...rpcCases.filter(({ name }) => name !== rpc.name).map(askOf)];
    for (const other of others) expect((await ask(other)).attempts).toBe("first:malformed, second:ok");
  });
});
