import type { ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip, gzipSync } from "node:zlib";
import { failInHeaders, frame } from "./ai-service-dialects.ts";
import { type Dialect, type Spoken, utf8, type WireError } from "./dialect.ts";
import { completionChunk, event } from "./openai-answers.ts";
import { openAi, openAiDone, openAiStream } from "./openai-dialects.ts";
import { badPieces, goodPieces, marker, noise, shortText } from "./texts.ts";
import { inCrumbs, type Wire } from "./wire.ts";

export interface Stage {
  readonly wire: Wire;
  readonly dialect: Dialect;
  readonly path: string;
  /** How many have come for this test so far, this one included. */
  readonly visits: number;
  /** What was sent. */
  readonly body: Uint8Array;
  readonly requestId: string;
  /** The same connection for those answers that leave it open. */
  readonly response: ServerResponse;
  /** Where a redirect leads. */
  readonly thiefUrl: string;
}

type Play = (stage: Stage, argument: string) => Promise<void>;

/** Plays `<name>` or `<name>:<argument>`. */
export async function play(scenario: string, stage: Stage): Promise<void> {
  const [name = "", argument = ""] = decodeURIComponent(scenario).split(/:(.*)/s);
  const found = scenarios[name];
  if (!found) throw new Error(`no scenario ${name}`);
  await found(stage, argument);
}

const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const allOf = ({ opening, tokens, ending }: Spoken) => [...opening, ...tokens, ...ending];

/** Sends the units of an answer under the headers of a good one, and does not end it. */
async function begin({ wire, dialect }: Stage, units: readonly Uint8Array[], length?: number): Promise<void> {
  await wire.head(200, dialect.contentType, {}, length);
  for (const unit of units) await wire.send(unit);
}

async function whole(stage: Stage, units: readonly Uint8Array[]): Promise<void> {
  const body = joined(units);
  await begin(stage, stage.dialect.isWhole ? [body] : units, stage.dialect.isWhole ? body.byteLength : undefined);
  await stage.wire.finish();
}

async function fail({ wire }: Stage, { status, type, headers, body }: WireError): Promise<void> {
  await wire.head(status, type, headers, body.byteLength);
  await wire.send(body);
  await wire.finish();
}

function html(stage: Stage, status: number, headers?: Record<string, string>): Promise<void> {
  const body = utf8(`<html><h1>${marker}</h1></html>`);
  return fail(stage, { status, type: "text/html", headers, body });
}

/** A few of them in each write, so that the back end is not what is slow. */
function inBulk(units: readonly Uint8Array[]): Uint8Array[] {
  const atOnce = 16;
  const starts = Array.from({ length: Math.ceil(units.length / atOnce) }, (_, index) => index * atOnce);
  return starts.map((start) => joined(units.slice(start, start + atOnce)));
}

/** Headers, and as much of an answer as holds no token yet. */
async function beforeToken(stage: Stage): Promise<void> {
  const { opening, tokens } = stage.dialect.say(badPieces);
  const [token = new Uint8Array()] = tokens;
  const half = token.subarray(0, Math.floor(token.byteLength / 2));
  await begin(stage, [...opening, half], stage.dialect.isWhole ? token.byteLength : undefined);
}

/** Headers and all tokens of a stream, without what proves that they are all; of a whole answer, half of it. */
async function tokens(stage: Stage): Promise<void> {
  if (!stage.dialect.isStream) return await beforeToken(stage);
  const spoken = stage.dialect.say(badPieces);
  await begin(stage, [...spoken.opening, ...spoken.tokens]);
}

function compressed(stage: Stage, body: Uint8Array, coding = "gzip"): Promise<void> {
  const headers = { "content-encoding": coding };
  return fail(stage, { status: 200, type: stage.dialect.contentType, headers, body });
}

/** Large bodies are made once, so that nobody else waits for them at this back end. */
const made = new Map<string, Promise<Uint8Array>>();
function once(name: string, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const body = made.get(name) ?? make();
  made.set(name, body);
  return body;
}

const megabyte = new Uint8Array(1024 * 1024).fill(0x61);
/** A message that says nothing but fills memory: an unknown field of one megabyte. */
const endlessFrame = frame(0, joined([Uint8Array.of(0x12, 0x80, 0x80, 0x40), megabyte]));

const scenarios: Readonly<Record<string, Play>> = {
  ok: (stage) => whole(stage, allOf(stage.dialect.say(goodPieces))),
  /** A good answer of so many characters that compress badly, of three bytes each. */
  long: (stage, characters) => whole(stage, allOf(stage.dialect.say([noise(Number(characters))]))),
  /** Says as little as a back end may say. */
  vague: (stage) => whole(stage, allOf(stage.dialect.say(goodPieces, { vague: true }))),
  finish: (stage, finishReason) => whole(stage, allOf(stage.dialect.say(goodPieces, { finishReason }))),
  /** `<scenario>|<scenario>`: one for each visit, the last one for all that follow. */
  turns: (stage, argument) => {
    const turns = argument.split("|");
    return play(turns[Math.min(stage.visits, turns.length) - 1] ?? "", stage);
  },
  /** The scenario that the last message of an OpenAI request names, so that one address can play them all. */
  asked: (stage) => {
    const { messages }: { messages: { content: string }[] } = JSON.parse(new TextDecoder().decode(stage.body));
    return play(messages.at(-1)?.content ?? "", stage);
  },
  /** A good answer to the request with this id; without one, to the request that was asked. */
  async echo({ wire, dialect, requestId }, answeredId) {
    const body = joined(allOf(dialect.say(goodPieces)));
    const headers = { "x-request-id": answeredId || requestId };
    await wire.head(200, dialect.contentType, headers, dialect.isWhole ? body.byteLength : undefined);
    await wire.send(body);
    await wire.finish();
  },
  /** A good answer over a connection that stays open for more; its last event comes in a packet of its own. */
  async kept({ response, dialect }) {
    const units = allOf(dialect.say(goodPieces));
    response.writeHead(200, { "content-type": dialect.contentType });
    for (const unit of units) {
      await new Promise((resolve) => response.write(unit, resolve));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    response.end();
  },
  filtered: (stage) => whole(stage, allOf(stage.dialect.say([""], { finishReason: "content_filter" }))),
  "total-only": (stage) => whole(stage, allOf(stage.dialect.say(goodPieces, { tokensUsed: 42 }))),
  knowledge: (stage, knowledge) => whole(stage, allOf(stage.dialect.say(goodPieces, { knowledge }))),
  /** A good answer with each byte in a packet of its own. */
  async drip(stage) {
    await begin(stage, []);
    for (const byte of joined(allOf(stage.dialect.say(goodPieces, { terse: true })))) {
      await stage.wire.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stage.wire.finish();
  },
  /** The first bytes of a short stream, of which HTTP cannot tell that there should be more. */
  async cut(stage, bytes) {
    const { wire, dialect } = stage;
    await wire.head(200, dialect.contentType, {}, "until-close");
    await wire.send(joined(allOf(dialect.say([shortText], { terse: true }))).subarray(0, Number(bytes)));
    await wire.finish();
  },

  /** A good answer after so many milliseconds; of a stream, each token after as many. */
  async slow(stage, everyMs) {
    const pause = () => new Promise((resolve) => setTimeout(resolve, Number(everyMs)));
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    if (!stage.dialect.isStream) {
      await pause();
      return await whole(stage, [...opening, ...tokens, ...ending]);
    }
    await begin(stage, opening);
    for (const token of tokens) {
      await pause();
      await stage.wire.send(token);
    }
    for (const unit of ending) await stage.wire.send(unit);
    await stage.wire.finish();
  },
  /** A good answer of so many bytes, each in a chunk of its own. */
  async crumbs(stage, bytes) {
    const { wire, dialect } = stage;
    const crumble = async () => inCrumbs(joined(allOf(dialect.say(["a".repeat(Number(bytes))]))));
    await wire.head(200, dialect.contentType);
    await wire.sendAsItIs(await once(`crumbs ${bytes} ${dialect.contentType}`, crumble));
    await wire.finish();
  },
  /** A good answer behind so many events or frames that say nothing. */
  async mumbling(stage, times) {
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    const nothing = stage.dialect.isFramed ? [frame(0, new Uint8Array())] : stage.dialect.say([""]).tokens;
    await begin(stage, opening);
    const unit = joined(nothing);
    const repeat = async () => Buffer.alloc(Number(times) * unit.byteLength, unit);
    await stage.wire.send(await once(`mumbling ${times} ${stage.dialect.contentType}`, repeat));
    for (const unit of [...tokens, ...ending]) await stage.wire.send(unit);
    await stage.wire.finish();
  },
  /** The same line of server-sent events for ever. */
  async lines(stage, line) {
    const lines = utf8(`${line}\n`.repeat(10_000));
    await begin(stage, []);
    while (stage.wire.isOpen) await stage.wire.send(lines);
  },
  /** The same event for ever. */
  async events(stage, data) {
    const events = utf8(event(data).repeat(10_000));
    await begin(stage, []);
    while (stage.wire.isOpen) await stage.wire.send(events);
  },
  /** A good answer in gzip, whether or not it was asked for. */
  async gzip(stage) {
    const body = joined(allOf(stage.dialect.say(goodPieces)));
    await compressed(stage, gzipSync(body));
  },
  /** A few kilobytes that become 16 MiB: gzip, or `br`. */
  async bomb(stage, coding) {
    const opening = stage.dialect.isStream ? 'data: {"' : '{"choices":[{"message":{"content":"';
    const noise = stage.dialect.isFramed ? endlessFrame : utf8(opening);
    const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };
    const compress = (bytes: Uint8Array) =>
      coding === "br" ? promisify(brotliCompress)(bytes, fast) : promisify(gzip)(bytes);
    const name = `bomb ${coding} ${stage.dialect.contentType}`;
    const body = await once(name, () => compress(joined([noise, ...Array.from({ length: 16 }, () => megabyte)])));
    await compressed(stage, body, coding || "gzip");
  },
  "not-gzip": (stage) => compressed(stage, joined(allOf(stage.dialect.say(badPieces)))),
  /** OpenAI: a whole answer though a stream was asked for, and the other way round. */
  unstreamed: (stage) => whole({ ...stage, dialect: openAi }, allOf(openAi.say(goodPieces))),
  streamed: (stage) => whole({ ...stage, dialect: openAiStream }, allOf(openAiStream.say(goodPieces))),

  reset: async ({ wire }) => wire.reset(),
  close: async ({ wire }) => wire.close(),
  silent: async ({ wire }) => await wire.closed,

  async "reset-body"(stage) {
    await beforeToken(stage);
    stage.wire.reset();
  },
  async "close-body"(stage) {
    await beforeToken(stage);
    stage.wire.close();
  },
  async "silent-body"(stage) {
    await beforeToken(stage);
    await stage.wire.closed;
  },
  async "reset-mid"(stage) {
    await tokens(stage);
    stage.wire.reset();
  },
  async "close-mid"(stage) {
    await tokens(stage);
    stage.wire.close();
  },
  async "silent-mid"(stage) {
    await tokens(stage);
    await stage.wire.closed;
  },
  /** Signs of life for ever, but no token: before the first one, or after it where the argument says so. */
  async chatty(stage, when) {
    const { wire, dialect } = stage;
    if (when === "mid") await tokens(stage);
    else await begin(stage, dialect.say(badPieces).opening);
    while (wire.isOpen) {
      await wire.send(dialect.isFramed ? frame(0, new Uint8Array()) : utf8(": ping\n\n"));
      for (const unit of dialect.say([""]).tokens) await wire.send(unit);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  /** A good answer of an AI service that says for so many milliseconds, before each token, that its model thinks. */
  async thinking(stage, ms) {
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    await begin(stage, opening);
    for (const token of tokens) {
      for (const endsMs = Date.now() + Number(ms); Date.now() < endsMs; ) {
        await stage.wire.send(frame(0, new Uint8Array()));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await stage.wire.send(token);
    }
    for (const unit of ending) await stage.wire.send(unit);
    await stage.wire.finish();
  },
  /** HTTP ends as it should, the answer does not. */
  async unfinished(stage) {
    await tokens(stage);
    await stage.wire.finish();
  },
  /** The same before the first token. */
  async "unfinished-opening"(stage) {
    await begin(stage, stage.dialect.say(badPieces).opening);
    await stage.wire.finish();
  },
  async "error-mid"(stage, word) {
    await tokens(stage);
    await stage.wire.send(stage.dialect.failInside(word));
    await stage.wire.finish();
  },
  async "error-opening"(stage, word) {
    const { opening } = stage.dialect.say(badPieces);
    await begin(stage, [...opening, stage.dialect.failInside(word)]);
    await stage.wire.finish();
  },
  async "garbage-mid"(stage) {
    await tokens(stage);
    await stage.wire.send(stage.dialect.garbage);
    await stage.wire.finish();
  },
  /** One unit among good ones cannot be understood. */
  garbled(stage) {
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    return whole(stage, [...opening, ...tokens.slice(0, 1), stage.dialect.garbage, ...tokens.slice(1), ...ending]);
  },
  garbage: (stage) => whole(stage, [stage.dialect.garbage]),
  "not-utf8": (stage) => whole(stage, [utf8('data: {"choices":[{"delta":{"content":"'), Uint8Array.of(0xff, 0xfe)]),
  text: (stage, text) => whole(stage, [utf8(text)]),
  deep: (stage) => whole(stage, [utf8(`{"choices":${"[".repeat(200_000)}`)]),

  html: (stage, status) => html(stage, Number(status)),
  async type(stage, type) {
    const body = joined(allOf(stage.dialect.say(badPieces)));
    await fail(stage, { status: 200, type, body });
  },
  /** A status and no body, as who changes protocols or has nothing to say. */
  async bare({ wire }, status) {
    await wire.head(Number(status), "", {}, "until-close");
    await wire.finish();
  },
  /** `<form>:<kilobytes>`: an error with more to it than anybody reads, `deep` or with `many` details. */
  async bloated(stage, argument) {
    const [form, kilobytes] = argument.split(":");
    const bytes = Number(kilobytes) * 1000;
    const detail = '{"type":"t","value":""}';
    const details =
      form === "deep" ? "[".repeat(bytes) : `[${`${detail},`.repeat(bytes / (detail.length + 1))}${detail}]`;
    const error = `{"code":"internal","message":"${marker}","details":${details}}`;
    const { contentType } = stage.dialect;
    if (!stage.dialect.isFramed) {
      return await fail(stage, { status: 500, type: "application/json", body: utf8(error) });
    }
    const end = contentType.startsWith("application/grpc-web")
      ? frame(0x80, utf8(`grpc-status: 13\r\n${"x: y\r\n".repeat(bytes / 6)}`))
      : frame(2, utf8(`{"error":${error}}`));
    await begin(stage, [end]);
    await stage.wire.finish();
  },
  /** An answer of OpenAI's with a list of eight megabytes in it: `choices`, a member of the message, or vectors as `data`. */
  async crowd(stage, argument) {
    const [place = "", item = "{}"] = argument.split(":");
    const list = `[${`${item},`.repeat(8_000_000 / (item.length + 1))}${item}]`;
    const text = ["choices", "data"].includes(place)
      ? `{"${place}":${list}}`
      : `{"choices":[{"message":{"content":"x","${place}":${list}},"finish_reason":"stop"}]}`;
    const units = [utf8(stage.dialect.isStream ? event(text.replace("message", "delta")) : text)];
    await whole(stage, [...units, ...(stage.dialect.isStream ? [openAiDone] : [])]);
  },
  /** A message of an AI service with eight megabytes of fields that nobody knows. */
  async "unknown-fields"(stage) {
    const fields = Buffer.alloc(7_999_998, Uint8Array.of(0xf8, 0x7f, 0x01));
    const unit = stage.dialect.isFramed ? frame(0, fields) : fields;
    await whole(stage, [unit, ...stage.dialect.say(goodPieces).ending]);
  },
  redirect: (stage, status) => html(stage, Number(status), { location: stage.thiefUrl }),
  status: (stage, status) => html(stage, Number(status)),
  /** `<ms>:<status>`: the status after so many milliseconds. */
  "slow-status": async (stage, argument) => {
    const [ms, status] = argument.split(":");
    await new Promise((resolve) => setTimeout(resolve, Number(ms)));
    await html(stage, Number(status));
  },
  /** Tokens, and after so many milliseconds the end of the connection. */
  async "slow-cut"(stage, ms) {
    await tokens(stage);
    await new Promise((resolve) => setTimeout(resolve, Number(ms)));
    stage.wire.close();
  },
  /** `<status>:<word>` in the protocol's own words. */
  error: (stage, argument) => {
    const [status, word = ""] = argument.split(":");
    return fail(stage, stage.dialect.fail(word, Number(status)));
  },
  "error-headers": (stage, code) => fail(stage, failInHeaders(stage.dialect, code)),
  /** 429 with `<header>=<value>`; `date+<seconds>` is a date so far from now. */
  limited: (stage, header) => {
    const [name = "", value = ""] = header.split("=");
    const [, seconds] = /^date\+(\d+)$/.exec(value) ?? [];
    return html(stage, 429, { [name]: seconds ? new Date(Date.now() + Number(seconds) * 1000).toUTCString() : value });
  },

  empty: (stage) => whole(stage, allOf(stage.dialect.say([""]))),
  async endless(stage) {
    const { wire, dialect } = stage;
    // Units that are never whole where there are no frames, frames that say nothing where there are.
    const opening = dialect.isStream
      ? 'data: {"choices":[{"delta":{"content":"'
      : '{"choices":[{"message":{"content":"';
    await begin(stage, dialect.isFramed ? [] : [utf8(opening)]);
    const noise = dialect.isFramed ? endlessFrame : megabyte;
    while (wire.isOpen) await wire.send(noise);
  },
  /** A body that announces ten bytes, and has no end. */
  async misannounced(stage) {
    const { wire, dialect } = stage;
    await wire.head(200, dialect.contentType, { "content-length": "10" });
    await wire.send(utf8('{"choices":[{"message":{"content":"'));
    while (wire.isOpen) await wire.send(megabyte);
  },
  /** Small good tokens for ever. */
  async "endless-tokens"(stage) {
    const { opening, tokens } = stage.dialect.say(goodPieces);
    await begin(stage, opening);
    const token = joined(tokens);
    while (stage.wire.isOpen) await stage.wire.send(token);
  },
  /** A good answer of so many characters, of which a stream says a thousand at a time. */
  async wordy(stage, chars) {
    const pieces = Array.from({ length: Number(chars) / 1024 }, () => "字".repeat(1024));
    await whole(stage, inBulk(allOf(stage.dialect.say(pieces))));
  },
  /** OpenAI streams: so many tokens, each with the probabilities of twenty others. */
  async probable(stage, tokens) {
    const alternative = (index: number) => ({ token: `tok${index}`, logprob: -index / 7, bytes: [116, 111, 107, 49] });
    const others = Array.from({ length: 20 }, (_, index) => alternative(index));
    const logprobs = { content: [{ ...alternative(1), top_logprobs: others }], refusal: null };
    const choices = [{ index: 0, delta: { content: "字" }, logprobs, finish_reason: null }];
    const token = utf8(event(completionChunk({}, null, { choices })));
    await whole(stage, [...inBulk(Array(Number(tokens)).fill(token)), ...stage.dialect.say([]).ending]);
  },
  /** A body that announces 5 GB. */
  async announced(stage) {
    await begin(stage, [utf8("{")], 5_000_000_000);
    await stage.wire.closed;
  },
  /** Seven bytes that announce 4 GiB, after a token of a stream where the argument says so. */
  async "giant-frame"(stage, when) {
    if (when === "mid") await tokens(stage);
    else await begin(stage, []);
    await stage.wire.send(frame(0, new Uint8Array(2), 0xffffffff));
    await stage.wire.closed;
  },
  compressed(stage) {
    const { opening, tokens, ending } = stage.dialect.say(badPieces);
    const [first = new Uint8Array(), ...rest] = [...opening, ...tokens, ...ending];
    return whole(stage, [Uint8Array.of(1, ...first.subarray(1)), ...rest]);
  },
  /** The end of the answer, and then more of it. */
  "after-end"(stage) {
    const { opening, tokens, ending } = stage.dialect.say(badPieces);
    return whole(stage, [...opening, ...ending, ...tokens]);
  },
  twice: (stage) => whole(stage, [...allOf(stage.dialect.say(badPieces)), ...allOf(stage.dialect.say(badPieces))]),

  /** OpenAI streams: the finish reason has come, `[DONE]` has not. */
  async "no-done"(stage) {
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    await whole(stage, [...opening, ...tokens, ...ending.slice(0, 1)]);
  },
  async "no-done-reset"(stage) {
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    await begin(stage, [...opening, ...tokens, ...ending.slice(0, 1)]);
    stage.wire.reset();
  },
  /** The argument is how much of the ending has come: the finish reason, and usage. */
  async "no-done-silent"(stage, units) {
    const { opening, tokens, ending } = stage.dialect.say(goodPieces);
    await begin(stage, [...opening, ...tokens, ...ending.slice(0, Number(units))]);
    await stage.wire.closed;
  },
  /** OpenAI streams: `[DONE]` has come, the finish reason has not. */
  "done-only": (stage) => {
    const { opening, tokens } = stage.dialect.say(badPieces);
    return whole(stage, [...opening, ...tokens, openAiDone]);
  },

  /** A service from before the streaming method, which answers after so many milliseconds. */
  async old(stage, ms) {
    const { dialect, path } = stage;
    if (path.endsWith("/StreamGenerateContent")) return await fail(stage, dialect.fail("unimplemented", 501));
    await new Promise((resolve) => setTimeout(resolve, Number(ms)));
    await whole(stage, allOf(dialect.say(goodPieces)));
  },
};
