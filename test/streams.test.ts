import { describe, expect, it } from "vitest";
import { at } from "./support/json.ts";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway, type Surface } from "./support/worker-on-sockets.ts";
import { badPieces, goodText, shortText } from "./upstreams/texts.ts";

const kinds: readonly Kind[] = ["openai", "connect", "grpc-web"];
const surfaces: readonly Surface[] = ["openai", "qingyu", "connect"];

/** How an event of a surface ends its stream; undefined where it does not. */
function endOf(surface: Surface, event: unknown): "complete" | "failed" | undefined {
  switch (surface) {
    case "openai":
      if (at(event, "error")) return "failed";
      return event === "[DONE]" ? "complete" : undefined;
    case "qingyu":
      if (at(event, "message")) return "failed";
      return at(event, "finishReason") ? "complete" : undefined;
    case "connect":
      if (at(event, "endStream", "error")) return "failed";
      return at(event, "endStream") ? "complete" : undefined;
  }
}

/** How a stream ended; anything but one word is wrong. */
function endsOf(surface: Surface, events: readonly unknown[]) {
  return events.map((event) => endOf(surface, event)).filter((end) => end !== undefined);
}

const broken = ["upstream_bad_response", 5004, "internal"] as const;
const silent = ["upstream_timeout", 5002, "deadline_exceeded"] as const;
const down = ["upstream_unavailable", 5002, "unavailable"] as const;
const refused = ["invalid_request", 1001, "invalid_argument"] as const;
const limited = ["rate_limit_exceeded", 4290, "resource_exhausted"] as const;
const filtered = ["content_filter", 1001, "invalid_argument"] as const;

/** What goes wrong after the first token: the code on each surface, and the reason in the log. */
const anyFailures = {
  "reset-mid": [broken, "truncated"],
  "close-mid": [broken, "truncated"],
  unfinished: [broken, "truncated"],
  "silent-mid": [silent, "timeout"],
  "chatty:mid": [silent, "timeout"],
} as const;
const refusing = [refused, "invalid_request"] as const;
const failing = [down, "internal"] as const;
const ourKey = (reason: string) => [["upstream_auth", 5004, "internal"], reason] as const;
/** Every code of Connect's, at the end of a stream that began well. */
const codesMidway = {
  "error-mid:canceled": [down, "canceled"],
  "error-mid:unknown": failing,
  "error-mid:invalid_argument": refusing,
  "error-mid:deadline_exceeded": [silent, "deadline_exceeded"],
  "error-mid:not_found": [["model_not_found", 1004, "not_found"], "model_not_found"],
  "error-mid:already_exists": refusing,
  "error-mid:permission_denied": ourKey("permission_denied"),
  "error-mid:resource_exhausted": [limited, "rate_limited"],
  "error-mid:failed_precondition": refusing,
  "error-mid:aborted": [down, "aborted"],
  "error-mid:out_of_range": refusing,
  "error-mid:unimplemented": [down, "unimplemented"],
  "error-mid:internal": failing,
  "error-mid:unavailable": [down, "unavailable"],
  "error-mid:data_loss": failing,
  "error-mid:unauthenticated": ourKey("unauthenticated"),
} as const;
const framedFailures = {
  ...anyFailures,
  "garbage-mid": [broken, "malformed"],
  "giant-frame:mid": [broken, "oversized"],
  twice: [broken, "malformed"],
  ...codesMidway,
} as const;
const failures = {
  openai: {
    ...anyFailures,
    "garbage-mid": [broken, "truncated"],
    "done-only": [broken, "truncated"],
    "finish:nonsense": [broken, "truncated"],
    "error-mid:server_error": [down, "internal"],
    "error-mid:rate_limit_exceeded": [limited, "rate_limited"],
    "error-mid:content_filter": [filtered, "content_filter"],
  },
  connect: framedFailures,
  "grpc-web": framedFailures,
} as const;

const rows = kinds.flatMap((kind) =>
  Object.entries(failures[kind]).flatMap(([scenario, [codes, reason]]) =>
    surfaces.map((surface, index) => ({ kind, scenario, surface, reason, code: codes[index] })),
  ),
);

const impatient = { QINGYU_DEADLINES_IDLE_MS: "1000" };

describe.concurrent("a stream that fails after its first token", () => {
  it.each(rows)(
    "ends with one error: $kind, $scenario, seen from $surface",
    async ({ kind, scenario, surface, ...row }) => {
      const [first, second] = [upstream(scenario), upstream("ok")];
      const asked = gateway([provider("first", kind, first), provider("second", "openai", second)], impatient);
      const answer = await asked.ask({ surface, stream: true });
      const sent = scenario === "finish:nonsense" ? goodText : badPieces.join("");
      expect([answer.status, answer.attempts, answer.content]).toEqual([200, "first:ok", sent]);
      expect([endsOf(surface, answer.events), answer.code]).toEqual([["failed"], row.code]);
      // Connect's own end says so; a body of events that ended well would look whole to who reads to its end only.
      expect(answer.isBroken).toBe(surface !== "connect");
      expect(await second.seen()).toEqual([]);
      expect(JSON.parse(answer.log.at(-1) ?? "")).toMatchObject({
        status: 200,
        error: expect.not.stringMatching(/^cancelled$/),
        attempts: [{ provider: "first", outcome: row.reason }],
      });
    },
  );

  it.each(kinds)("keeps to the deadline of the whole request: %s", async (kind) => {
    const asked = gateway([provider("first", kind, upstream("silent-mid"))]);
    const answer = await asked.ask({ stream: true, headers: { "x-request-timeout-ms": "300" } });
    expect([endsOf("openai", answer.events), answer.code]).toEqual([["failed"], "upstream_timeout"]);
  });
});

describe.concurrent("a stream that is complete", () => {
  const scenarios = [
    ...kinds.flatMap((kind) =>
      ["ok", "drip", "mumbling:5000", "finish:length"].map((scenario) => ({ kind, scenario })),
    ),
    { kind: "openai", scenario: "no-done" },
    { kind: "openai", scenario: "no-done-reset" },
    { kind: "openai", scenario: "unstreamed" },
    // Services that do not say how an answer ended still say that it ended.
    { kind: "connect", scenario: "vague" },
    { kind: "grpc-web", scenario: "vague" },
  ] as const;
  const cases = scenarios.flatMap((each) => surfaces.map((surface) => ({ ...each, surface })));

  it.each(cases)("ends as it should: $kind, $scenario, seen from $surface", async ({ kind, scenario, surface }) => {
    const asked = gateway([provider("first", kind, upstream(scenario))]);
    const answer = await asked.ask({ surface, stream: true });
    expect([answer.status, answer.content, answer.attempts]).toEqual([200, goodText, "first:ok"]);
    expect(endsOf(surface, answer.events)).toEqual(["complete"]);
  });

  it.each(kinds)("is put together byte by byte for a plain answer too: %s", async (kind) => {
    const answer = await gateway([provider("first", kind, upstream("drip"))]).ask();
    expect([answer.status, answer.content]).toEqual([200, goodText]);
  });

  it.each(["openai", "connect"] as const)(
    "of one byte in each chunk is no dearer where it is whole: %s",
    async (kind) => {
      const answer = await gateway([provider("first", kind, upstream("crumbs:100000"))]).ask();
      expect([answer.status, answer.content.length]).toEqual([200, 100_000]);
    },
  );

  it.each(kinds)("is asked for as it is: %s", async (kind) => {
    const first = upstream("ok");
    await gateway([provider("first", kind, first)]).ask({ stream: true });
    expect((await first.seen()).map(({ headers }) => headers["accept-encoding"])).toEqual(["identity"]);
  });

  it.each([
    { said: "the finish reason", units: 1, usage: null },
    { said: "the finish reason and usage", units: 2, usage: { total_tokens: 18 } },
  ])("does not wait for what may come after $said", async ({ units, usage }) => {
    const first = upstream(`no-done-silent:${units}`);
    const sinceMs = Date.now();
    const body = { stream_options: { include_usage: true } };
    const answer = await gateway([provider("first", "openai", first)]).ask({ stream: true, body });
    // Far less than a stream may be silent.
    expect(Date.now() - sinceMs).toBeLessThan(5_000);
    expect([answer.content, answer.events.at(-1)]).toEqual([goodText, "[DONE]"]);
    expect(answer.events.at(-2)).toMatchObject({ usage });
    expect((await first.seen("left")).map(({ state }) => state)).toEqual(["left"]);
  });

  it("goes on after an event that cannot be understood", async () => {
    const answer = await gateway([provider("first", "openai", upstream("garbled"))]).ask({ stream: true });
    expect([answer.content, answer.events.at(-1)]).toEqual([goodText, "[DONE]"]);
  });
});

describe.concurrent("a stream that is cut", () => {
  const sseBytes = (value: unknown) => new TextEncoder().encode(`data: ${JSON.stringify(value)}\n\n`).length;
  const shortBytes = new TextEncoder().encode(shortText).length;
  /** Two messages, each a field behind a frame's head: the text, and `stop`. */
  const messageBytes = 5 + 2 + shortBytes + 5 + 2 + 4;
  /** From how many bytes on the stream is complete that test/upstreams plays. */
  const completeFrom: Readonly<Record<Kind, number>> = {
    // The last event may lack its blank line.
    openai:
      sseBytes({ choices: [{ delta: { content: shortText } }] }) +
      sseBytes({ choices: [{ finish_reason: "stop" }] }) -
      "\n\n".length,
    connect: messageBytes + 5 + "{}".length,
    "grpc-web": messageBytes + 5 + "grpc-status:0\r\n".length,
  };

  it.each(kinds)("is complete or fails visibly, whichever byte is the last: %s", async (kind) => {
    const endAfter = async (bytes: number) => {
      const answer = await gateway([provider("first", kind, upstream(`cut:${bytes}`))]).ask({ stream: true });
      return `${answer.content} ${answer.status === 200 ? endsOf("openai", answer.events) : answer.code}`;
    };
    const ends = await Promise.all(Array.from({ length: completeFrom[kind] + 1 }, (_, bytes) => endAfter(bytes)));
    expect(ends.at(-1)).toBe(`${shortText} complete`);
    expect(new Set(ends.slice(0, -1))).toEqual(new Set([" upstream_bad_response", `${shortText} failed`]));
  });
});

describe.concurrent("heartbeats", () => {
  const slow = (heartbeatMs: number) =>
    gateway([provider("first", "openai", upstream("slow:300"))], { QINGYU_STREAM_HEARTBEAT_MS: String(heartbeatMs) });

  it.each<Surface>(["openai", "qingyu"])(
    "fill a silence towards the caller between whole events: %s",
    async (surface) => {
      const { text, content } = await slow(100).ask({ surface, stream: true });
      expect(content).toBe(goodText);
      const blocks = text.split("\n\n").slice(0, -1);
      expect(blocks.filter((block) => block === ": keep-alive").length).toBeGreaterThan(1);
      for (const block of blocks) expect(block).toMatch(/^(: keep-alive|(event: \w+\n)?data: .+)$/);
    },
  );

  it("are not sent where nothing is silent for long, or where they are turned off", async () => {
    expect((await slow(5000).ask({ stream: true })).text).not.toContain(": keep-alive");
    expect((await slow(0).ask({ stream: true })).text).not.toContain(": keep-alive");
  });

  it("do not pile up before a caller who does not read", async () => {
    const held = { stream: true, headers: { "x-qingyu-delivery": "atomic" } };
    const [reading, idle] = [await slow(20).open(held), await slow(20).open(held)];
    const beatsIn = (text: string) => text.split(": keep-alive").length - 1;
    const beats = beatsIn(await reading.text());
    expect(beats).toBeGreaterThan(10);
    expect(beatsIn(await idle.text())).toBeLessThan(beats / 2);
  });
});

describe("tokens that come in a burst", () => {
  it.each(["openai", "connect", "grpc-web"] as const)("leave in far fewer writes: %s", async (kind) => {
    const first = upstream("endless-tokens");
    const answer = await gateway([provider("first", kind, first)]).open({ stream: true });
    const reader = answer.body?.getReader();
    const perWrite = async () => {
      let [events, reads] = [0, 0];
      while (reader && events < 2_000) {
        const { value } = await reader.read();
        events += new TextDecoder().decode(value).split("data: ").length - 1;
        reads++;
      }
      return events / reads;
    };
    expect(await perWrite()).toBeGreaterThan(5);
    // The longer it lasts the fewer.
    expect(await perWrite()).toBeGreaterThan(100);
    await reader?.cancel();
    expect(await first.seen("left")).toHaveLength(1);
  });
});
