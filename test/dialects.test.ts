import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { onlyOpenAi, type Sent, testApp } from "./support/app-on-fake-network.ts";
import { parsedEventsIn } from "./support/event-stream.ts";
import { at } from "./support/json.ts";
import { requestTo } from "./support/surfaces.ts";
import { completion, completionChunk, event } from "./upstreams/openai-answers.ts";

/*
 * What servers that speak OpenAI's API really say, as people reported of them: the same answer live, held back, from the
 * cache, and where it came whole.
 */

const path = "/v1/chat/completions";
const sse = { "content-type": "text/event-stream" };

/** A provider that says the same whatever is asked, and how often it was asked. */
function saying(answer: () => Response, settings: Record<string, unknown> = onlyOpenAi) {
  let times = 0;
  const network = new Hono().post(path, () => {
    times++;
    return answer();
  });
  return { ...testApp({ network, settings }), times: () => times };
}

const streamed = (events: readonly unknown[], end = "data: [DONE]\n\n") =>
  new Response(events.map(event).join("") + end, { headers: sse });

type Delta = Record<string, unknown>;
const chunk = (delta: Delta, finish: string | null = null, more: object = {}) =>
  completionChunk(delta, finish, { ...more });
const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };
const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
const counted = { choices: [], usage };
const call = (more: object) => ({ tool_calls: [more] });
const named = (name: unknown, args?: unknown) => ({ function: { name, arguments: args } });
const made = (id: string, args: string) => ({ id, type: "function", function: { name: "look_up", arguments: args } });
const half = { first: "a\ud83d", second: "\ude00b" };

interface Expected {
  readonly content?: string | null;
  readonly reasoning?: string;
  readonly calls?: readonly object[];
  readonly finish?: string;
  readonly usage?: object | null;
}

interface Dialect extends Expected {
  readonly events: readonly unknown[];
  readonly ending?: string;
  /** The same answer where it comes whole. */
  readonly message?: object;
  readonly isKept?: false;
}

const text = (more: object = {}) => [chunk({ content: "one" }), chunk({ content: " two" }, null, more)];
const stop = chunk({}, "stop");
const oneTwo = { content: "one two" };

const dialects: Readonly<Record<string, Dialect>> = {
  // Lists of parts.
  "thinking and text in parts": {
    events: [
      chunk({ role: "assistant", content: "" }),
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text: "let me " }] }] }),
      chunk({ content: [{ type: "thinking", thinking: "see" }] }),
      chunk({ content: [{ type: "text", text: "one" }] }),
      chunk({ content: " two" }),
      stop,
      counted,
    ],
    message: {
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "let me see" }] },
        { type: "text", text: "one" },
        { type: "output_text", text: " two" },
      ],
    },
    ...oneTwo,
    reasoning: "let me see",
    usage,
  },
  "parts of bare texts": {
    events: [chunk({ content: ["one", " two"] }), stop],
    message: { content: ["one", { type: "text", text: " two" }] },
    ...oneTwo,
  },
  "a number": { events: [chunk({ content: 42 }), stop], message: { content: 42 }, content: "42" },
  "a part that is no text": {
    events: [...text(), chunk({ content: [{ type: "image_url", image_url: { url: "x" } }] }), stop],
    ...oneTwo,
    isKept: false,
  },
  "an object": { events: [...text(), chunk({ content: { a: 1 } }), stop], ...oneTwo, isKept: false },
  "messages in the place of deltas": {
    events: ["one", " two"].map((content) => ({ choices: [{ index: 0, message: { content } }] })).concat(),
    ending: `${event(stop)}data: [DONE]\n\n`,
    ...oneTwo,
  },
  "texts in the place of deltas": {
    events: [
      { choices: [{ index: 0, text: "one" }] },
      { choices: [{ index: 0, text: " two", finish_reason: "stop" }] },
    ],
    ...oneTwo,
  },
  // Before the first token.
  "an event cut short before the first token": {
    events: ['{"choices":[{"index":0,"delta":{"content":"zero "', ...text(), stop],
    ...oneTwo,
    isKept: false,
  },
  // Reasons and counts that come too early and again.
  "a finish reason on every chunk": {
    events: [
      chunk({ reasoning_content: "hm" }, "stop"),
      chunk({ content: "one" }, "stop"),
      chunk({ content: " two" }, "stop"),
      chunk({}, "stop"),
    ],
    ...oneTwo,
    reasoning: "hm",
  },
  "a finish reason and usage on every chunk": {
    events: [
      chunk({ content: "one" }, "stop", { usage: { ...usage, completion_tokens: 1, total_tokens: 10 } }),
      chunk({ content: " two" }, "stop", { usage }),
    ],
    ...oneTwo,
    usage,
  },
  "another finish reason at the end": {
    events: [...text(), stop, chunk({ content: "!" }, "length")],
    content: "one two!",
    finish: "length",
  },
  "zeros until the true usage": {
    events: [...text({ usage: zeros }), chunk({}, "stop", { usage: zeros }), counted],
    ...oneTwo,
    usage,
  },
  "usage with the finish reason": {
    events: [...text({ usage: zeros }), chunk({}, "stop", { usage })],
    ...oneTwo,
    usage,
  },
  "zeros after the true usage": {
    events: [...text(), chunk({}, "stop", { usage }), { choices: [], usage: zeros }],
    ...oneTwo,
    usage,
  },
  "zeros only": { events: [...text(), stop, { choices: [], usage: zeros }], ...oneTwo, usage: null },
  "running usage": {
    events: [...text({ usage: { ...usage, completion_tokens: 1, total_tokens: 10 } }), stop, counted],
    ...oneTwo,
    usage,
  },
  // Tool calls.
  "a tool call that goes on without saying who it is": {
    events: [
      chunk(call({ index: 0, id: "c1", type: "function", ...named("look_up", "") })),
      chunk(call({ index: 0, id: "", type: "function", ...named("", '{"a":') })),
      chunk(call({ index: 0, id: null, ...named(null, "1}") })),
      chunk({}, "tool_calls"),
      counted,
    ],
    calls: [made("c1", '{"a":1}')],
    finish: "tool_calls",
    usage,
  },
  "a tool call that says who it is each time": {
    events: [
      chunk(call({ index: 0, id: "c1", type: "function", ...named("look_up", '{"a":') })),
      chunk(call({ index: 0, id: "c1", type: "function", ...named("look_up", "1}") })),
      chunk({}, "tool_calls"),
    ],
    calls: [made("c1", '{"a":1}')],
    finish: "tool_calls",
  },
  "two calls of one number": {
    events: [
      chunk(call({ index: 0, id: "c1", type: "function", ...named("look_up", '{"a":1}') })),
      chunk(call({ index: 0, id: "c2", type: "function", ...named("look_up", '{"a":') })),
      chunk(call({ index: 0, ...named(undefined, "2}") })),
      chunk({}, "tool_calls"),
    ],
    calls: [made("c1", '{"a":1}'), made("c2", '{"a":2}')],
    finish: "tool_calls",
  },
  "two calls of one number, said by turns": {
    events: [
      chunk(call({ index: 0, id: "c1", type: "function", ...named("look_up", "") })),
      chunk(call({ index: 0, id: "c2", type: "function", ...named("look_up", "") })),
      chunk(call({ index: 0, id: "c1", ...named("", '{"a":1}') })),
      chunk(call({ index: 0, id: "c2", ...named("", '{"a":2}') })),
      chunk({}, "tool_calls"),
    ],
    calls: [made("c1", '{"a":1}'), made("c2", '{"a":2}')],
    finish: "tool_calls",
  },
  "calls without numbers, in pieces": {
    events: [
      chunk(call({ id: "c1", type: "function", ...named("look_up", '{"a":') })),
      chunk(call(named(undefined, "1}"))),
      chunk(call({ id: "c2", type: "function", ...named("look_up", '{"a":2}') })),
      chunk({}, "tool_calls"),
    ],
    calls: [made("c1", '{"a":1}'), made("c2", '{"a":2}')],
    finish: "tool_calls",
  },
  "a call without a number, whole": {
    events: [chunk(call(made("c1", '{"a":1}')), "stop", { usage })],
    message: { content: null, ...call({ index: 0, ...made("c1", '{"a":1}') }) },
    calls: [made("c1", '{"a":1}')],
    usage,
  },
  "two calls at once without numbers": {
    events: [chunk({ tool_calls: [made("c1", "{}"), made("c2", "{}")] }), chunk({}, "tool_calls")],
    message: {
      content: "",
      tool_calls: [
        { index: 0, ...made("c1", "{}") },
        { index: 0, ...made("c2", "{}") },
      ],
    },
    calls: [made("c1", "{}"), made("c2", "{}")],
    finish: "tool_calls",
  },
  "numbers that begin at 1": {
    events: [
      chunk(call({ index: 1, ...made("c1", "{") })),
      chunk(call({ index: 1, ...named(undefined, "}") })),
      chunk({}, "tool_calls"),
    ],
    calls: [made("c1", "{}")],
    finish: "tool_calls",
  },
  "arguments that are JSON already": {
    events: [chunk(call({ id: "c1", type: "function", ...named("look_up", { a: 1 }) })), chunk({}, "tool_calls")],
    message: { content: null, ...call({ id: "c1", type: "function", ...named("look_up", { a: 1 }) }) },
    calls: [made("c1", '{"a":1}')],
    finish: "tool_calls",
  },
  "a call where there is no list": {
    events: [chunk({ tool_calls: made("c1", "{}") }), chunk({}, "tool_calls")],
    calls: [made("c1", "{}")],
    finish: "tool_calls",
  },
  // Characters.
  "an emoji in two halves": {
    events: [
      `{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}`,
      `{"choices":[{"index":0,"delta":{"content":""}}]}`,
      `{"choices":[{"index":0,"delta":{"content":"\\ude00b"}}]}`,
      stop,
    ],
    content: half.first + half.second,
  },
  // Noise.
  "events without choices": {
    events: [{ hook_results: { before: [1] } }, ...text(), { type: "ping" }, stop, { x_groq: {} }, { choices: null }],
    ...oneTwo,
  },
  "usage without choices": { events: [...text(), stop, { usage }], ...oneTwo, usage },
  "an event of another form that may hold text": {
    events: [...text(), { message: "!" }, stop],
    ...oneTwo,
    isKept: false,
  },
  "empty data": { events: ["", ...text(), " ", stop], ...oneTwo },
  "a last event without its blank line": { events: text(), ending: `data: ${JSON.stringify(stop)}`, ...oneTwo },
  "a last event with half of its blank line": { events: text(), ending: `data: ${JSON.stringify(stop)}\n`, ...oneTwo },
  "a last line that is cut": { events: [...text(), stop], ending: "data: [DO", ...oneTwo },
};

const asked = (name: string, more: object = {}) => ({ messages: [{ role: "user", content: name }], ...more });
const included = { stream_options: { include_usage: true } };

/** What a client makes of a stream that joins all texts of one tool call, ids and names too, as OpenAI's for Python does. */
function joined(sent: Sent): Expected {
  const events = parsedEventsIn(sent.text);
  expect(events.at(-1)).toBe("[DONE]");
  const answer = { content: "", reasoning: "" };
  const calls: Record<string, string>[] = [];
  const reasons: unknown[] = [];
  let told: unknown = null;
  for (const each of events.slice(0, -1)) {
    told = at(each, "usage") ?? told;
    const choice = at(each, "choices", 0);
    if (choice === undefined) continue;
    answer.content += at(choice, "delta", "content") ?? "";
    answer.reasoning += at(choice, "delta", "reasoning_content") ?? "";
    for (const piece of [at(choice, "delta", "tool_calls") ?? []].flat()) {
      const index = at(piece, "index");
      if (typeof index !== "number") throw new Error("a tool call without a number");
      calls[index] ??= { id: "", name: "", args: "" };
      const known = calls[index];
      known.id += String(at(piece, "id") ?? "");
      known.name += String(at(piece, "function", "name") ?? "");
      known.args += String(at(piece, "function", "arguments") ?? "");
      known.type = String(at(piece, "type") ?? known.type);
    }
    if (at(choice, "finish_reason") !== null) reasons.push(at(choice, "finish_reason"));
  }
  expect(reasons).toHaveLength(1);
  const whole = calls.map(({ id, type, name, args }) => ({ id, type, function: { name, arguments: args } }));
  return comparable({ ...answer, calls: whole, finish: String(reasons[0]), usage: Object(told) });
}

function plainly(sent: Sent): Expected {
  const choice = at(sent.json(), "choices", 0);
  const message = Object(at(choice, "message"));
  return comparable({
    content: message.content,
    reasoning: message.reasoning_content,
    calls: message.tool_calls,
    finish: String(at(choice, "finish_reason")),
    usage: Object(at(sent.json(), "usage")),
  });
}

function comparable({ content, reasoning, calls, finish, usage }: Expected): Expected {
  return {
    content: content ?? "",
    reasoning: reasoning ?? "",
    calls: calls ?? [],
    finish: finish ?? "stop",
    usage: usage ?? {},
  };
}

describe("an answer in a dialect of OpenAI's API", () => {
  it.each(Object.entries(dialects))("is read live and from the cache: %s", async (name, dialect) => {
    const app = saying(() => streamed(dialect.events, dialect.ending));
    const live = await app.post(path, asked(name, { stream: true, ...included }));
    expect(joined(live)).toEqual(comparable(dialect));
    const again = await app.post(path, asked(name));
    const isKept = dialect.isKept ?? true;
    expect([again.headers.get("x-cache"), app.times()]).toEqual(isKept ? ["HIT", 1] : ["MISS", 2]);
    if (!isKept) return;
    expect(plainly(again)).toEqual(comparable(dialect));
    expect(joined(await app.post(path, asked(name, { stream: true, ...included })))).toEqual(comparable(dialect));
  });

  it.each(Object.entries(dialects))("is the same held back: %s", async (name, dialect) => {
    const app = saying(() => streamed(dialect.events, dialect.ending));
    const sent = await app.post(path, asked(`held ${name}`, { stream: true, ...included }), {
      "x-qingyu-delivery": "atomic",
    });
    expect(joined(sent)).toEqual(comparable(dialect));
    const made = dialect.isKept === false ? "malformed" : "ok";
    expect(sent.headers.get("x-qingyu-attempts")).toBe(`openai:${made}`);
  });

  const whole = Object.entries(dialects).filter(([, { message }]) => message !== undefined);
  it.each(whole)("is the same where it comes whole: %s", async (name, dialect) => {
    const { message, finish = "stop" } = dialect;
    const choices = [{ index: 0, message, finish_reason: finish }];
    const app = saying(() => Response.json(completion("", { choices, usage: dialect.usage })));
    expect(plainly(await app.post(path, asked(`whole ${name}`)))).toEqual(comparable(dialect));
    expect(joined(await app.post(path, asked(`whole ${name}`, { stream: true, ...included })))).toEqual(
      comparable(dialect),
    );
    expect(app.times()).toBe(1);
  });

  const texts = Object.entries(dialects).filter(([, { content }]) => content !== undefined);
  it.each(texts)("has the same text on other surfaces: %s", async (name, { events, ending, content }) => {
    const app = saying(() => streamed(events, ending), { ...onlyOpenAi, QINGYU_CACHE_ENABLED: "false" });
    const qingyu = requestTo("qingyu", true, name);
    const deltas = parsedEventsIn((await app.send(qingyu.path, qingyu.init)).text).map(
      (each) => at(each, "delta") ?? "",
    );
    expect(deltas.join("")).toBe(content);
    const connect = requestTo("connect", true, name);
    const { text } = await app.send(connect.path, connect.init);
    // Of each frame the JSON.
    const messages = text.split("\u0000").flatMap((part) => part.match(/\{.*\}/s) ?? []);
    const said = messages.map((message) => at(JSON.parse(message), "delta") ?? "");
    expect(said.join("")).toBe(content);
  });
});
