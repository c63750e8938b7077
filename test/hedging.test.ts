import { describe, expect, it } from "vitest";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway } from "./support/worker-on-sockets.ts";
import { goodText } from "./upstreams/texts.ts";

const always = { QINGYU_HEDGE_AFTER_MS: "100", QINGYU_HEDGE_MAX_PERCENT: "100" };

/** A gateway with two providers that play these scenarios. */
function chain(one: string, two: string, settings: Record<string, string> = always, kind: Kind = "openai") {
  const [first, second] = [upstream(one), upstream(two)];
  return {
    ...gateway([provider("first", kind, first), provider("second", "openai", second)], settings),
    first,
    second,
  };
}

describe.concurrent("hedging", () => {
  const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
  const late = kinds.flatMap((kind) =>
    ["silent", "silent-body"].flatMap((scenario) => [true, false].map((stream) => ({ kind, scenario, stream }))),
  );

  it.each(late)(
    "asks the next provider too when the first is late, and gives the first one up: $kind, $scenario, stream $stream",
    async ({ kind, scenario, stream }) => {
      const { ask, first } = chain(scenario, "ok", always, kind);
      const sinceMs = Date.now();
      const { status, content, attempts } = await ask({ stream });
      expect([status, content, attempts]).toEqual([200, goodText, "first:superseded, second:ok"]);
      expect(Date.now() - sinceMs).toBeLessThan(5_000);
      expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    },
  );

  it("lets the first one win where its token comes first after all", async () => {
    const { ask, second } = chain("slow:300", "silent");
    const { content, attempts } = await ask({ stream: true });
    expect([content, attempts]).toEqual([goodText, "first:ok, second:superseded"]);
    expect((await second.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });

  it.each(["live", "atomic"])(
    "asks nobody else where the first token is in time, however long the rest takes: %s",
    async (delivery) => {
      const { ask, second } = chain("slow:300", "ok", { ...always, QINGYU_HEDGE_AFTER_MS: "2000" });
      expect((await ask({ stream: true, headers: { "x-qingyu-delivery": delivery } })).attempts).toBe("first:ok");
      expect(await second.seen()).toEqual([]);
    },
  );

  it.each(["html:503", "html:200"])("does no harm where the second one fails: %s", async (scenario) => {
    const { ask } = chain("slow:700", scenario);
    const { status, content, headers } = await ask();
    expect([status, content, headers.get("x-qingyu-provider")]).toEqual([200, goodText, "first"]);
  });

  it("lets the second one answer where the first one fails later", async () => {
    const settings = { ...always, QINGYU_DEADLINES_FIRST_TOKEN_MS: "300" };
    const { ask } = chain("silent", "slow:500", { ...settings, QINGYU_DEADLINES_REQUEST_MS: "3000" });
    const { status, content } = await ask();
    expect([status, content]).toEqual([200, goodText]);
  });

  it("tells the first one's failure where both fail", async () => {
    const { ask } = chain("slow-status:500:429", "html:200");
    const { status, code } = await ask();
    expect([status, code]).toEqual([502, "upstream_bad_response"]);
  });

  it("ends both with their caller", async () => {
    const { open, first, second } = chain("silent", "silent");
    const caller = new AbortController();
    const answer = open({ stream: true, signal: caller.signal });
    await second.seen("open");
    caller.abort();
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    expect((await second.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    await (await answer).body?.cancel();
  });

  it("keeps to its share of all requests", async () => {
    const { ask, first, second } = chain("slow:120", "ok", {
      QINGYU_HEDGE_AFTER_MS: "1",
      QINGYU_HEDGE_MAX_PERCENT: "20",
    });
    for (let index = 0; index < 14; index++) await ask();
    expect(await first.seen()).toHaveLength(14);
    // The fifth and the tenth.
    expect(await second.seen()).toHaveLength(2);
  });

  it("is off unless the settings say so", async () => {
    const { ask, second } = chain("slow:300", "ok", {});
    expect((await ask({ stream: true })).attempts).toBe("first:ok");
    expect(await second.seen()).toEqual([]);
  });
});
