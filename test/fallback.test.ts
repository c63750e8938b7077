import { describe, expect, it } from "vitest";
import { failuresTable, finishReasonsTable } from "../dev/failures-text.ts";
import { withPart } from "../dev/markdown.ts";
import answers from "../docs/answers.md?raw";
import reliability from "../docs/reliability.md?raw";
import { type Kind, provider, upstream } from "./support/upstream.ts";
import { gateway, type Surface } from "./support/worker-on-sockets.ts";
import { goodText } from "./upstreams/texts.ts";

/** What a failure of the first provider leads to. */
interface Expected {
  readonly leadsTo: "next" | "caller";
  /** In `x-qingyu-attempts`. */
  readonly reason: string;
  /** Whether the provider is asked once more. */
  readonly isRetried: boolean;
  /** For a caller who has to be told. */
  readonly status: number;
  readonly code: string;
}

const expected =
  (leadsTo: "next" | "caller", status: number, code: string) =>
  (reason: string): Expected => ({ leadsTo, reason, isRetried: retried.has(reason), status, code });
/** What one more try may mend: a failed connection, 429 and 5xx. */
const retried = new Set(["unavailable", "internal", "rate_limited"]);
const unavailable = expected("next", 503, "upstream_unavailable");
const bad = expected("next", 502, "upstream_bad_response");
const timeout = expected("next", 504, "upstream_timeout");
const limited = expected("next", 429, "rate_limit_exceeded")("rate_limited");
const ourKey = expected("next", 502, "upstream_auth");
const noModel = expected("next", 404, "model_not_found")("model_not_found");
const tooLong = expected("next", 400, "context_length_exceeded")("context_length_exceeded");
const usedUp = expected("next", 429, "rate_limit_exceeded")("quota_exhausted");
/** An answer that has begun is not asked for again. */
const begun = (row: Expected): Expected => ({ ...row, isRetried: false });
const refused = expected("caller", 400, "invalid_request")("invalid_request");
const filtered = expected("caller", 400, "content_filter")("content_filter");

type Table = Readonly<Record<string, Expected>>;

/** What can happen to any answer of any protocol. */
const anyProtocol: Table = {
  refused: unavailable("unavailable"),
  reset: unavailable("unavailable"),
  close: unavailable("unavailable"),
  silent: timeout("timeout"),
  "reset-body": bad("truncated"),
  "close-body": bad("truncated"),
  "silent-body": timeout("timeout"),
  empty: bad("empty"),
  endless: bad("oversized"),
  "html:200": bad("malformed"),
  "type:": bad("malformed"),
  "type:text/plain": bad("malformed"),
  "redirect:301": bad("redirected"),
  "redirect:302": bad("redirected"),
  "redirect:303": bad("redirected"),
  "redirect:307": bad("redirected"),
  "redirect:308": bad("redirected"),
  "bare:101": bad("malformed"),
  "bare:204": bad("malformed"),
  "bare:205": bad("malformed"),
  "bare:304": bad("malformed"),
  // HTTP has no such status; the runtime does not take them for an answer.
  "bare:103": unavailable("unavailable"),
  "bare:999": unavailable("internal"),
  "html:502": unavailable("unavailable"),
  "html:503": unavailable("unavailable"),
  "status:508": expected("next", 508, "loop_detected")("loop_detected"),
};

/** A whole answer may be compressed, but is bounded by what comes out. */
const whole: Table = {
  bomb: bad("oversized"),
  "bomb:br": bad("oversized"),
  "not-gzip": bad("truncated"),
  misannounced: bad("oversized"),
  announced: bad("oversized"),
};
/** What comes in events or frames may not. */
const inPieces: Table = {
  gzip: bad("malformed"),
  bomb: bad("malformed"),
  "not-gzip": bad("malformed"),
  // More pieces than anything in them would take.
  "crumbs:20000": bad("malformed"),
};

/** Codes that an object has without anybody having put them there. */
const strange = (way: string): Table =>
  Object.fromEntries(
    ["__proto__", "constructor", "toString"].map((code) => [`${way}:${code}`, unavailable("internal")]),
  );

/** Any answer of OpenAI's API, and errors before its streams begin. */
const openAi: Table = {
  ...anyProtocol,
  "status:400": refused,
  "status:422": refused,
  "error:400:invalid_value": refused,
  "error:400:context_length_exceeded": tooLong,
  "error:400:string_above_max_length": tooLong,
  "error:400:content_filter": filtered,
  "error:400:content_policy_violation": filtered,
  "error:401:invalid_api_key": ourKey("unauthenticated"),
  "status:401": ourKey("unauthenticated"),
  "status:402": ourKey("permission_denied"),
  "status:403": ourKey("permission_denied"),
  "error:404:model_not_found": noModel,
  "status:404": bad("not_found"),
  "status:408": timeout("deadline_exceeded"),
  "status:409": unavailable("conflict"),
  "status:429": limited,
  "error:429:insufficient_quota": usedUp,
  "status:500": unavailable("internal"),
  "status:501": unavailable("unimplemented"),
  "status:504": timeout("deadline_exceeded"),
  "status:413": tooLong,
  "status:529": unavailable("unavailable"),
  ...strange("error:500"),
  "bloated:many:8000": unavailable("internal"),
  "bloated:deep:60": unavailable("internal"),
};

const openAiPlain: Table = {
  ...openAi,
  ...whole,
  garbage: bad("malformed"),
  "crowd:choices": bad("malformed"),
  "crowd:tool_calls": bad("malformed"),
  "crowd:annotations:7": bad("malformed"),
  "not-utf8": bad("malformed"),
  deep: bad("malformed"),
  vague: bad("truncated"),
  "finish:nonsense": bad("truncated"),
  "text:null": bad("malformed"),
  "text:[]": bad("malformed"),
  'text:{"choices":[]}': bad("malformed"),
  'text:{"choices":[{"message":{"content":{"a":7}},"finish_reason":"stop"}]}': bad("malformed"),
  'text:{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}': bad("empty"),
  'text:{"error":{"message":"no"}}': unavailable("internal"),
};

const openAiStreamed: Table = {
  ...openAi,
  ...inPieces,
  "mumbling:10001": bad("malformed"),
  "lines:nonsense": bad("malformed"),
  "lines::": bad("malformed"),
  "lines:data:": bad("malformed"),
  "events:{}": bad("malformed"),
  garbage: bad("truncated"),
  "not-utf8": bad("malformed"),
  "unfinished-opening": bad("truncated"),
  "text:data: [DONE]\n\n": bad("truncated"),
  "text:data: null\n\n": bad("truncated"),
  "text:": bad("truncated"),
  "error-opening:server_error": begun(unavailable("internal")),
  "error-opening:rate_limit_exceeded": begun(limited),
  "error-opening:context_length_exceeded": tooLong,
  "error-opening:content_filter": filtered,
};

const connectCodes: Table = {
  canceled: unavailable("canceled"),
  unknown: unavailable("internal"),
  invalid_argument: refused,
  deadline_exceeded: timeout("deadline_exceeded"),
  not_found: noModel,
  already_exists: refused,
  permission_denied: ourKey("permission_denied"),
  resource_exhausted: limited,
  failed_precondition: refused,
  aborted: unavailable("aborted"),
  out_of_range: refused,
  unimplemented: unavailable("unimplemented"),
  internal: unavailable("internal"),
  unavailable: unavailable("unavailable"),
  data_loss: unavailable("internal"),
  unauthenticated: ourKey("unauthenticated"),
};

/** All codes, in the ways in which a protocol can say them. */
function codes(...ways: readonly string[]): Table {
  const rows = ways.flatMap((way) => Object.entries(connectCodes).map(([code, row]) => [`${way}:${code}`, row]));
  return Object.fromEntries(rows);
}

/** Any answer of the AI service, and what proxies in front of it say. */
const aiService: Table = {
  ...anyProtocol,
  garbage: bad("malformed"),
  "status:400": unavailable("internal"),
  "status:401": ourKey("unauthenticated"),
  "status:403": ourKey("permission_denied"),
  "status:404": unavailable("unimplemented"),
  "status:408": unavailable("internal"),
  "status:409": unavailable("internal"),
  "status:429": unavailable("unavailable"),
  "status:500": unavailable("internal"),
  "status:501": unavailable("unimplemented"),
  "status:504": unavailable("unavailable"),
};

const framed: Table = {
  ...aiService,
  "unknown-fields": bad("oversized"),
  "bloated:many:8000": bad("oversized"),
  ...inPieces,
  "giant-frame": bad("oversized"),
  compressed: bad("malformed"),
  "text:": bad("truncated"),
};
const inStream = Object.entries(codes("error-opening")).map(([scenario, row]) => [scenario, begun(row)] as const);
const framedStream: Table = {
  ...framed,
  "mumbling:10001": bad("malformed"),
  ...codes("error:0"),
  ...Object.fromEntries(inStream),
  "after-end": bad("malformed"),
};

const connectStreamed: Table = {
  ...framedStream,
  "error-opening:__proto__": begun(unavailable("internal")),
  "bloated:many:60": unavailable("internal"),
  "bloated:deep:60": bad("malformed"),
};

const connectPlain: Table = {
  ...aiService,
  "unknown-fields": bad("oversized"),
  ...whole,
  ...strange("error:500"),
  "bloated:many:8000": unavailable("internal"),
  "bloated:deep:60": unavailable("internal"),
  ...codes("error:0"),
};

const grpcWebPlain: Table = {
  ...framed,
  "bloated:many:60": unavailable("internal"),
  ...codes("error:0", "error-headers"),
  // The second message is one too many, however small it is.
  endless: bad("malformed"),
  twice: bad("malformed"),
  unfinished: bad("truncated"),
};

const tables: readonly { kind: Kind; stream: boolean; table: Table }[] = [
  { kind: "openai", stream: false, table: openAiPlain },
  { kind: "openai", stream: true, table: openAiStreamed },
  { kind: "connect", stream: false, table: connectPlain },
  { kind: "connect", stream: true, table: connectStreamed },
  { kind: "grpc-web", stream: false, table: grpcWebPlain },
  { kind: "grpc-web", stream: true, table: { ...framedStream, ...codes("error-headers") } },
];

const rows = tables.flatMap(({ kind, stream, table }) =>
  Object.entries(table).map(([scenario, row]) => ({
    kind,
    stream,
    scenario,
    ...row,
    name: `${kind}, ${stream ? "streamed" : "plain"}, ${scenario}`,
  })),
);
type Row = (typeof rows)[number];

/** One row for each reason that a protocol can give. */
const rowsByReason = new Map(rows.map((row) => [`${row.kind} ${row.stream} ${row.reason}`, row]));

/** What the first provider's turn looks like in `x-qingyu-attempts`. */
function failedAttempts({ reason, isRetried }: Row): string[] {
  return Array.from({ length: isRetried ? 2 : 1 }, () => `first:${reason}`);
}

/** A gateway that asks the row's failing provider first and then the other scenario's. */
function failing({ kind, scenario }: Row, other: string) {
  const [first, second] = [upstream(scenario), upstream(other)];
  // Short enough for a test, and far longer than any upstream takes that answers at all.
  const limits = { QINGYU_DEADLINES_REQUEST_MS: "5000", QINGYU_DEADLINES_FIRST_TOKEN_MS: "1000" };
  const settings = scenario.startsWith("silent") ? limits : {};
  const { ask } = gateway([provider("first", kind, first), provider("second", "openai", second)], settings);
  return { ask, first, second };
}

describe.concurrent("a first provider that fails", () => {
  it.each(rows.filter(({ leadsTo }) => leadsTo === "next"))("leads to the next: $name", async (row) => {
    const { ask, first } = failing(row, "ok");
    const answer = await ask({ stream: row.stream });
    const attempts = [...failedAttempts(row), "second:ok"].join(", ");
    expect([answer.status, answer.attempts, answer.content]).toEqual([200, attempts, goodText]);
    expect(answer.headers.get("x-qingyu-provider")).toBe("second");
    expect(await first.robbed()).toEqual([]);
  });

  it.each(rows.filter(({ leadsTo }) => leadsTo === "caller"))("leads to the caller: $name", async (row) => {
    const { ask, second } = failing(row, "ok");
    const answer = await ask({ stream: row.stream });
    expect([answer.status, answer.code, answer.attempts]).toEqual([row.status, row.code, `first:${row.reason}`]);
    expect(await second.seen()).toEqual([]);
  });

  it.each([...rowsByReason.values()])("is the one whom the caller hears of when all fail: $name", async (row) => {
    const { ask } = failing(row, "error:400:content_filter");
    const answer = await ask({ stream: row.stream });
    expect([answer.status, answer.code]).toEqual([row.status, row.code]);
  });
});

describe.concurrent("a failure of all providers", () => {
  const cases = [
    { scenario: "status:429", openai: [429, "rate_limit_exceeded"], connect: [429, "resource_exhausted"] },
    { scenario: "html:503", openai: [503, "upstream_unavailable"], connect: [503, "unavailable"] },
    { scenario: "html:200", openai: [502, "upstream_bad_response"], connect: [500, "internal"] },
    { scenario: "status:408", openai: [504, "upstream_timeout"], connect: [504, "deadline_exceeded"] },
    { scenario: "status:401", openai: [502, "upstream_auth"], connect: [500, "internal"] },
    { scenario: "status:400", openai: [400, "invalid_request"], connect: [400, "invalid_argument"] },
  ];

  it.each(cases)("has the status and the words of each surface: $scenario", async ({ scenario, openai, connect }) => {
    const told = async (surface: Surface, stream: boolean) => {
      // A gateway each time, since its breaker would open.
      const { ask } = gateway([provider("first", "openai", upstream(scenario))]);
      const { status, code, attempts } = await ask({ surface, stream });
      expect(attempts).toMatch(/^first:(\w+)(, first:\1)?$/);
      return [status, code];
    };
    expect(await told("openai", false)).toEqual(openai);
    expect(await told("openai", true)).toEqual(openai);
    expect(await told("qingyu", false)).toEqual(openai);
    expect(await told("qingyu", true)).toEqual(openai);
    expect(await told("connect", false)).toEqual(connect);
    // A stream's status is always 200 here; its end says what happened.
    expect(await told("connect", true)).toEqual([200, connect[1]]);
  });
});

describe("docs/reliability.md", () => {
  it("says what leads where as the code does it", () => {
    expect(reliability).toBe(withPart(reliability, "failures", failuresTable()));
  });
});

describe("docs/answers.md", () => {
  it("says what words end an answer as the code does it", () => {
    expect(answers).toBe(withPart(answers, "finish reasons", finishReasonsTable()));
  });
});
