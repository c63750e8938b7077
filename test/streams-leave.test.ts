import { describe, expect, it } from "vitest";
import { provider, type Upstream, upstream } from "./support/upstream.ts";
import { type Ask, gateway } from "./support/worker-on-sockets.ts";

const kinds = ["openai", "connect", "grpc-web"] as const;
const surfaces = ["openai", "qingyu", "connect"] as const;
const pairs = kinds.flatMap((kind) => surfaces.map((surface) => ({ kind, surface })));

function askBoth(scenario: string, kind: (typeof kinds)[number]) {
  const [first, second] = [upstream(scenario), upstream("ok")];
  const { open } = gateway([provider("first", kind, first), provider("second", "openai", second)]);
  return { open, first, second };
}

/** Fails unless the one call to the upstream is aborted now, before any time limit ends it (`seen` waits less long). */
async function expectAborted({ seen }: Upstream): Promise<void> {
  expect((await seen("left")).map(({ state }) => state)).toEqual(["left"]);
}

/** Opens a stream and waits for its first bytes. */
async function begin(open: (ask: Ask) => Promise<Response>, ask: Ask) {
  const response = await open({ ...ask, stream: true });
  const reader = response.body?.getReader();
  if (!reader) throw new Error("no body");
  expect((await reader.read()).done).toBe(false);
  return reader;
}

describe("a caller who leaves", () => {
  const waits = [
    { scenario: "silent", stream: false, moment: "before the headers of a plain answer" },
    { scenario: "silent-body", stream: false, moment: "amid a plain answer" },
    { scenario: "silent", stream: true, moment: "before the headers of a stream" },
    { scenario: "silent-body", stream: true, moment: "before the first token" },
  ];
  const cases = pairs.flatMap((pair) => waits.map((wait) => ({ ...pair, ...wait })));

  it.each(cases)("ends the call: $kind from $surface, $moment", async ({ kind, surface, scenario, stream }) => {
    const { open, first, second } = askBoth(scenario, kind);
    const caller = new AbortController();
    const answer = open({ surface, stream, signal: caller.signal });
    await first.seen("open");
    caller.abort();
    await expectAborted(first);
    await (await answer).body?.cancel();
    expect(await second.seen()).toEqual([]);
  });

  it.each(pairs)("ends the call: $kind from $surface, disconnected in mid-stream", async ({ kind, surface }) => {
    const { open, first, second } = askBoth("silent-mid", kind);
    const caller = new AbortController();
    await begin(open, { surface, signal: caller.signal });
    caller.abort();
    await expectAborted(first);
    expect(await second.seen()).toEqual([]);
  });

  it.each(pairs)("ends the call: $kind from $surface, done reading in mid-stream", async ({ kind, surface }) => {
    const { open, first, second } = askBoth("silent-mid", kind);
    const reader = await begin(open, { surface });
    await reader.cancel();
    await expectAborted(first);
    expect(await second.seen()).toEqual([]);
  });

  it.each(pairs)("ends the call: $kind from $surface, done reading amid many tokens", async ({ kind, surface }) => {
    const { open, first } = askBoth("endless-tokens", kind);
    const reader = await begin(open, { surface });
    await reader.cancel();
    await expectAborted(first);
  });

  it.each(pairs)("asks nobody: $kind from $surface, left before it began", async ({ kind, surface }) => {
    const { open, first, second } = askBoth("ok", kind);
    const response = await open({ surface, signal: AbortSignal.abort() });
    await response.body?.cancel();
    expect([await first.seen(), await second.seen()]).toEqual([[], []]);
  });
});

describe("a caller who reads slowly", () => {
  it.each(kinds)("holds the upstream back instead of filling memory: %s", async (kind) => {
    const { open, first } = askBoth("endless-tokens", kind);
    const reader = await begin(open, { surface: "openai" });
    // More than all buffers on the way can hold never leaves the upstream while nobody reads.
    const [visit] = await first.seen("stalled");
    expect(visit?.state).toBe("stalled");
    await reader.cancel();
    await expectAborted(first);
  });
});
