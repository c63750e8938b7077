import { describe, expect, it } from "vitest";
import { at } from "./support/json.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { type Ask, gateway, type Surface } from "./support/worker-on-sockets.ts";
import { goodText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
const surfaces: readonly Surface[] = ["openai", "qingyu", "connect"];
const atomic: Ask = { stream: true, headers: { "x-qingyu-delivery": "atomic" } };

/** What goes wrong after the first token, where nothing can be taken back any more that was sent live. */
const midway = {
  "reset-mid": "truncated",
  "close-mid": "truncated",
  unfinished: "truncated",
  "silent-mid": "timeout",
  "chatty:mid": "timeout",
} as const;
const failures = {
  openai: { ...midway, "garbage-mid": "truncated", "error-mid:server_error": "internal", "done-only": "truncated" },
  connect: { ...midway, "garbage-mid": "malformed", "error-mid:unavailable": "unavailable" },
  "grpc-web": { ...midway, "garbage-mid": "malformed", "error-mid:internal": "internal" },
} as const;
const rows = kinds.flatMap((kind) =>
  Object.entries(failures[kind]).flatMap(([scenario, reason]) =>
    surfaces.map((surface) => ({ kind, scenario, reason, surface })),
  ),
);

const impatient = { QINGYU_DEADLINES_IDLE_MS: "1000" };

function failing(kind: Kind, scenario: string, other = "ok", settings: Record<string, string> = impatient) {
  const [first, second] = [upstream(scenario), upstream(other)];
  return { ...gateway([provider("first", kind, first), provider("second", kind, second)], settings), first, second };
}

describe.concurrent("a stream that is held back until it is complete", () => {
  it.each(rows)("falls back unseen in mid-stream: $kind, $scenario, seen from $surface", async (row) => {
    const { ask, first } = failing(row.kind, row.scenario);
    const answer = await ask({ ...atomic, surface: row.surface });
    expect([answer.status, answer.content]).toEqual([200, goodText]);
    expect(answer.attempts).toBe(`first:${row.reason}, second:ok`);
    expect(await first.seen()).toHaveLength(1);
  });

  it("falls back where something of it could not be understood, which may have been text", async () => {
    const { ask } = failing("openai", "garbled");
    const answer = await ask(atomic);
    expect([answer.status, answer.content, answer.attempts]).toEqual([200, goodText, "first:malformed, second:ok"]);
  });

  it.each(["html:503", "error:400:content_filter"])(
    "is handed out with its gap where nobody else answers: %s",
    async (other) => {
      const { ask } = failing("openai", "garbled", other);
      const answer = await ask(atomic);
      expect([answer.status, answer.content, answer.headers.get("x-qingyu-provider")]).toEqual([
        200,
        goodText,
        "first",
      ]);
    },
  );

  it.each(surfaces)("ends as any stream does: %s", async (surface) => {
    const { ask } = failing("openai", "ok");
    const live = await ask({ surface, stream: true });
    const held = await ask({ ...atomic, surface });
    expect(held.content).toBe(live.content);
    const last = (events: readonly unknown[]) => ({ ...Object(events.at(-1)), requestId: undefined });
    expect(last(held.events)).toEqual(last(live.events));
  });

  it.each(surfaces)("is refused with its proper status where all fail early: %s", async (surface) => {
    const { ask } = failing("openai", "unfinished", "unfinished");
    const { status, code } = await ask({ ...atomic, surface });
    const expected = { openai: [502, "upstream_bad_response"], qingyu: [502, "upstream_bad_response"] };
    expect([status, code]).toEqual(surface === "connect" ? [200, "internal"] : expected[surface]);
  });

  it.each(["openai", "qingyu"] as const)(
    "shows signs of life from one heartbeat on, also before the first token: %s",
    async (surface) => {
      const { ask } = failing("openai", "slow:300", "ok", { QINGYU_STREAM_HEARTBEAT_MS: "100" });
      const { status, text, content } = await ask({ ...atomic, surface });
      expect([status, content]).toEqual([200, goodText]);
      const blocks = text.split("\n\n");
      const beats = blocks.findIndex((block) => block !== ": keep-alive");
      expect(beats).toBeGreaterThan(3);
      expect(blocks.slice(beats)).not.toContain(": keep-alive");
    },
  );

  it.each(["openai", "qingyu"] as const)(
    "ends with one error where all fail after the headers are gone: %s",
    async (surface) => {
      const settings = { ...impatient, QINGYU_STREAM_HEARTBEAT_MS: "50" };
      const { ask } = failing("openai", "silent-mid", "silent-mid", settings);
      const { status, code, content, events } = await ask({ ...atomic, surface });
      expect([status, code, content]).toEqual([200, surface === "openai" ? "upstream_timeout" : 5002, ""]);
      expect(events).toHaveLength(1);
    },
  );

  it("sends its first sign of life with the headers", async () => {
    const { ask } = failing("openai", "slow:300", "ok", { QINGYU_STREAM_HEARTBEAT_MS: "500" });
    expect((await ask(atomic)).text).toMatch(/^(: keep-alive\n\n)+data: /);
  });

  it("waits for its status as long as it takes where heartbeats are off", async () => {
    const { ask } = failing("openai", "silent-mid", "html:200", { ...impatient, QINGYU_STREAM_HEARTBEAT_MS: "0" });
    expect((await ask(atomic)).status).toBe(504);
  });

  it.each(kinds)("shares its time like a plain answer, since it can fall back until its end: %s", async (kind) => {
    const { ask, first } = failing(kind, "chatty:mid", "ok", { QINGYU_DEADLINES_REQUEST_MS: "4000" });
    const { status, attempts } = await ask(atomic);
    expect([status, attempts]).toEqual([200, "first:timeout, second:ok"]);
    const [visit] = await first.seen();
    if (kind === "connect") expect(Number(visit?.headers["connect-timeout-ms"])).toBeLessThanOrEqual(2_400);
  });

  it.each(surfaces)("ends its call when its caller leaves: %s", async (surface) => {
    const { open, first, second } = failing("openai", "silent-mid", "ok", { QINGYU_STREAM_HEARTBEAT_MS: "50" });
    const caller = new AbortController();
    const answer = open({ ...atomic, surface, signal: caller.signal });
    await first.seen("open");
    caller.abort();
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
    await (await answer).body?.cancel();
    expect(await second.seen()).toEqual([]);
  });

  it("ends its call when its caller stops reading heartbeats", async () => {
    const { open, first } = failing("openai", "silent-mid", "ok", { QINGYU_STREAM_HEARTBEAT_MS: "50" });
    const response = await open(atomic);
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(": keep-alive\n\n");
    await reader?.cancel();
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });
});

describe.concurrent("how a stream is delivered", () => {
  const fellBack = (attempts: string | null) => attempts === "first:truncated, second:ok";

  it.each([
    { tenants: "development", header: undefined, isAtomic: true },
    { tenants: "*", header: undefined, isAtomic: true },
    { tenants: "others, more", header: undefined, isAtomic: false },
    { tenants: "*", header: "live", isAtomic: false },
    { tenants: "", header: "atomic", isAtomic: true },
  ])("is up to the caller, else to the settings: $tenants, $header", async ({ tenants, header, isAtomic }) => {
    const { ask } = failing("openai", "unfinished", "ok", { QINGYU_STREAM_ATOMIC_TENANTS: tenants });
    const headers: Record<string, string> = header ? { "x-qingyu-delivery": header } : {};
    expect(fellBack((await ask({ stream: true, headers })).attempts)).toBe(isAtomic);
  });

  it("cannot be anything else", async () => {
    const { ask, first } = failing("openai", "ok");
    const { status, events } = await ask({ stream: true, headers: { "x-qingyu-delivery": "later" } });
    expect([status, at(events[0], "error", "param")]).toEqual([400, "x-qingyu-delivery"]);
    expect(await first.seen()).toEqual([]);
  });
});
