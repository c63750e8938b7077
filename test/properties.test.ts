import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import {
  type GenerateContentChunk,
  GenerateContentChunkSchema,
  GenerateContentResponseSchema,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { type TestApp, testApp } from "./support/app-on-fake-network.ts";
import { eventsIn } from "./support/event-stream.ts";
import { at } from "./support/json.ts";
import { frame } from "./upstreams/ai-service-dialects.ts";

/*
 * The readers of streams against readers that are known to be right, the HTML standard's own words and protobuf-es, over the
 * whole gateway: whatever bytes come in whatever pieces, it ends, and it says "complete" only where they do.
 */

const utf8 = new TextEncoder();

/** Bytes in the pieces in which they arrive. */
type Pieces = readonly Uint8Array[];

/** A gateway whose only provider answers with these bytes, and no retries or breaker that outlive a case. */
function answering(kind: "openai" | "connect" | "grpc-web", contentType: string, pieces: Pieces): TestApp {
  const network = new Hono().post("*", () => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": contentType } });
  });
  const place = kind === "openai" ? { type: kind } : { type: "ai-service", protocol: kind };
  const settings = { AI_PROVIDERS: [{ name: "ai", baseUrl: "https://ai.test", ...place }] };
  return testApp({ network, settings });
}

interface Outcome {
  readonly end: "complete" | "failed" | "none";
  readonly content: string;
  readonly finishReason: unknown;
}

/** What the caller of a completion gets. */
async function ask(app: TestApp, stream = true): Promise<Outcome> {
  const body = { messages: [{ role: "user", content: "问" }], stream };
  const answer = await app.post("/v1/chat/completions", body, { "cache-control": "no-store" });
  expect(answer.text).not.toContain("internal_error");
  if (answer.status !== 200) {
    expect([answer.status >= 400, typeof at(answer.json(), "error", "code")]).toEqual([true, "string"]);
    return { end: "failed", content: "", finishReason: undefined };
  }
  if (!stream) {
    const choice = at(answer.json(), "choices", 0);
    return {
      end: "complete",
      content: String(at(choice, "message", "content")),
      finishReason: at(choice, "finish_reason"),
    };
  }
  return readEvents(answer.text);
}

/** What a reader of OpenAI's streams makes of a text: complete where some choice says why it finished. The last event may lack its blank line. */
function readEvents(text: string): Outcome {
  let content = "";
  let finishReason: unknown;
  let end: Outcome["end"] = "none";
  for (const data of eventsIn(`${text}\n\n`)) {
    if (data === "[DONE]") {
      end = "complete";
      break;
    }
    const event = parsed(data);
    if (at(event, "error")) end = "failed";
    const choice = at(event, "choices", 0);
    const index = at(choice, "index");
    // Of a choice that nobody asked for.
    if (Number.isInteger(index) && index !== 0) continue;
    content += at(choice, "delta", "content") ?? "";
    finishReason = at(choice, "finish_reason") ?? finishReason;
  }
  return { end, content, finishReason };
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** Texts that are hard to cut: every plane, combining marks, line ends of all kinds. */
const hardText = fc.string({
  unit: fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.constantFrom("\r", "\n", "\r\n", "\u2028", "\u0000", "🪶", "e\u0301", "data: ", ": ", "[DONE]", "青羽"),
  ),
  maxLength: 12,
});
const texts = fc.array(hardText, { minLength: 1, maxLength: 6 }).filter((all) => all.join("") !== "");

/** The same bytes in pieces; cuts may fall anywhere, also within a character. */
function cut(bytes: Uint8Array, places: readonly number[]): Pieces {
  const cuts = places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [...cuts, bytes.length].map((end, index) => bytes.slice(cuts[index - 1] ?? 0, end));
}
const places = fc.array(fc.nat(10_000), { maxLength: 20 });

/** What may go wrong on the way. */
const damage = fc.record({
  kind: fc.constantFrom("flip", "insert", "remove", "truncate"),
  place: fc.nat(10_000),
  byte: fc.integer({ min: 0, max: 255 }),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(bytes: Uint8Array, { kind, place, byte }: Damage): Uint8Array {
  const index = place % bytes.length;
  const [before, after] = [bytes.slice(0, index), bytes.slice(index)];
  if (kind === "truncate") return before;
  if (kind === "insert") return Uint8Array.of(...before, byte, ...after);
  if (kind === "remove") return Uint8Array.of(...before, ...after.slice(1));
  return Uint8Array.of(...before, byte, ...after.slice(1));
}

const lineEnds = fc.constantFrom("\n", "\r\n", "\r");
/** Lines that say nothing, before an event: the empty one is an event without data, "data" a line end before the JSON. */
const noise = fc.constantFrom("", ": comment", "event: message", "id: 7", "retry: 10", "unknown: field", "data");

/** A stream of server-sent events as strange as the standard allows. */
const openAiStream = fc
  .record({
    texts,
    lineEnd: lineEnds,
    noise: fc.array(noise, { maxLength: 4 }),
    bom: fc.boolean(),
    spaced: fc.boolean(),
    /** JSON over several lines, each in a field of its own. */
    indented: fc.boolean(),
  })
  .map(({ texts, lineEnd, noise, bom, spaced, indented }) => {
    const field = spaced ? "data: " : "data:";
    const event = (value: unknown, index: number) => {
      const extra = noise.slice(index, index + 1);
      const json = JSON.stringify(value, null, indented ? 1 : 0).split("\n");
      return [...extra, ...json.map((line) => `${field}${line}`), "", ""].join(lineEnd);
    };
    const deltas = texts.map((content) => ({ choices: [{ index: 0, delta: { content } }] }));
    const all = [...deltas, { choices: [{ index: 0, delta: {}, finish_reason: "length" }] }];
    const text = `${bom ? "\ufeff" : ""}${all.map(event).join("")}${field}[DONE]${lineEnd}${lineEnd}`;
    return { bytes: utf8.encode(text), content: texts.join("") };
  });

const runs = (numRuns: number) => ({ numRuns });

describe("OpenAI's streams", () => {
  const read = (bytes: Uint8Array, cuts: readonly number[]) =>
    ask(answering("openai", "text/event-stream", cut(bytes, cuts)));

  it("are read as the standard reads them, in whatever pieces they come", async () => {
    await fc.assert(
      fc.asyncProperty(openAiStream, places, async ({ bytes, content }, cuts) => {
        expect(readEvents(new TextDecoder().decode(bytes))).toEqual({
          end: "complete",
          content,
          finishReason: "length",
        });
        expect(await read(bytes, cuts)).toEqual({ end: "complete", content, finishReason: "length" });
      }),
      runs(75),
    );
  });

  it("are complete only where a finish reason is, however damaged", async () => {
    await fc.assert(
      fc.asyncProperty(
        openAiStream,
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        places,
        async ({ bytes }, wounds, cuts) => {
          const wounded = wounds.reduce((left, wound) => (left.length === 0 ? left : damaged(left, wound)), bytes);
          const reference = readEvents(new TextDecoder().decode(wounded));
          const { end, content } = await read(wounded, cuts);
          expect(end).not.toBe("none");
          if (end !== "complete") return;
          expect(reference.finishReason).toBeTruthy();
          expect(reference.content).toBe(content);
        },
      ),
      runs(150),
    );
  });

  it("are complete from a finish reason's event on, wherever they stop", async () => {
    await fc.assert(
      fc.asyncProperty(openAiStream, fc.nat(80), places, async ({ bytes }, missing, cuts) => {
        const begun = bytes.slice(0, Math.max(0, bytes.length - missing));
        const { finishReason } = readEvents(new TextDecoder().decode(begun));
        expect((await read(begun, cuts)).end).toBe(finishReason === "length" ? "complete" : "failed");
      }),
      runs(100),
    );
  });

  it("may be any bytes at all", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), places, async (bytes, cuts) => {
        expect((await read(bytes, cuts)).end).toBe("failed");
      }),
      runs(50),
    );
  });
});

const compressedFlag = 1;
const endings = { connect: { flag: 2, text: "{}" }, "grpc-web": { flag: 0x80, text: "grpc-status: 0\r\n" } } as const;
type Framed = keyof typeof endings;
const protocols: readonly Framed[] = ["connect", "grpc-web"];
const contentTypes = { connect: "application/connect+proto", "grpc-web": "application/grpc-web+proto" } as const;

const chunks = texts.map((all) =>
  [...all.map((delta) => ({ delta })), { delta: "", finishReason: "length" }].map((chunk) =>
    create(GenerateContentChunkSchema, chunk),
  ),
);

function framed(protocol: Framed, messages: readonly GenerateContentChunk[]): Uint8Array {
  const { flag, text } = endings[protocol];
  const frames = messages.map((message) => frame(0, toBinary(GenerateContentChunkSchema, message)));
  return Uint8Array.of(...frames.flatMap((bytes) => [...bytes]), ...frame(flag, utf8.encode(text)));
}

/** The messages of a framed stream where it is complete and well-formed, read with nothing but protobuf-es. */
function readFrames(protocol: Framed, bytes: Uint8Array): GenerateContentChunk[] | undefined {
  const messages: GenerateContentChunk[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 0; start + 5 <= bytes.length; ) {
    const end = start + 5 + view.getUint32(start + 1);
    if (end > bytes.length) return undefined;
    const data = bytes.subarray(start + 5, end);
    const flags = bytes[start] ?? 0;
    if (flags & compressedFlag) return undefined;
    // Flags that the protocols do not know yet mean nothing.
    if (flags & endings[protocol].flag) {
      const isGood =
        protocol === "connect" ? isGoodEnd(data) : /^grpc-status: *0*\s*$/im.test(new TextDecoder().decode(data));
      return end === bytes.length && isGood ? messages : undefined;
    }
    try {
      messages.push(fromBinary(GenerateContentChunkSchema, data));
    } catch {
      return undefined;
    }
    start = end;
  }
  return undefined;
}

function isGoodEnd(data: Uint8Array): boolean {
  const end = parsed(new TextDecoder().decode(data));
  return typeof end === "object" && end !== null && !("error" in end && end.error !== null);
}

describe.each(protocols)("streams of frames: %s", (protocol) => {
  const read = (bytes: Uint8Array, cuts: readonly number[]) =>
    ask(answering(protocol, contentTypes[protocol], cut(bytes, cuts)));

  it("are read as protobuf-es reads them, in whatever pieces they come", async () => {
    await fc.assert(
      fc.asyncProperty(chunks, places, async (messages, cuts) => {
        const content = messages.map(({ delta }) => delta).join("");
        expect(await read(framed(protocol, messages), cuts)).toEqual({
          end: "complete",
          content,
          finishReason: "length",
        });
      }),
      runs(60),
    );
  });

  it("are complete only where their end is, however damaged", async () => {
    await fc.assert(
      fc.asyncProperty(
        chunks,
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        places,
        async (messages, wounds, cuts) => {
          const whole = framed(protocol, messages);
          const wounded = wounds.reduce((left, wound) => (left.length === 0 ? left : damaged(left, wound)), whole);
          const { end, content } = await read(wounded, cuts);
          expect(end).not.toBe("none");
          if (end === "complete")
            expect(
              readFrames(protocol, wounded)
                ?.map(({ delta }) => delta)
                .join(""),
            ).toBe(content);
        },
      ),
      runs(150),
    );
  });

  it("may be any bytes at all", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), places, async (bytes, cuts) => {
        expect((await read(bytes, cuts)).end).toBe("failed");
      }),
      runs(50),
    );
  });
});

describe("whole messages", () => {
  it("are read as protobuf-es reads them", async () => {
    await fc.assert(
      fc.asyncProperty(
        hardText.filter((content) => content !== ""),
        places,
        async (content, cuts) => {
          const message = create(GenerateContentResponseSchema, { content, finishReason: "length" });
          const bytes = toBinary(GenerateContentResponseSchema, message);
          const expected = { end: "complete", content, finishReason: "length" };
          expect(await ask(answering("connect", "application/proto", cut(bytes, cuts)), false)).toEqual(expected);
          const frames = Uint8Array.of(...frame(0, bytes), ...frame(0x80, utf8.encode("grpc-status: 0\r\n")));
          expect(await ask(answering("grpc-web", "application/grpc-web+proto", cut(frames, cuts)), false)).toEqual(
            expected,
          );
        },
      ),
      runs(50),
    );
  });
});
