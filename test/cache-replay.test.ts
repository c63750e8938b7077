import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createReplay, type ReplayReader } from "../src/cache/sharing/replay.ts";
import type { GenerationChunk } from "../src/generation.ts";
import { chunkUnits } from "../src/memory-units.ts";

/** What chunks say: each choice's text put together between other things. */
function meaning(chunks: readonly GenerationChunk[]): unknown[] {
  const said: unknown[] = [];
  let texts: string[] = [];
  for (const { choice, delta, ...rest } of chunks) {
    if (Object.keys(rest).length === 0) texts[choice] = (texts[choice] ?? "") + delta;
    else {
      said.push(texts, [choice, delta, rest]);
      texts = [];
    }
  }
  return [...said, texts];
}

const chunk = fc.oneof(
  { weight: 20, arbitrary: fc.record({ choice: fc.constant(0), delta: fc.string({ unit: "binary", maxLength: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ choice: fc.constant(1), delta: fc.constant("other") }) },
  { weight: 1, arbitrary: fc.constant({ choice: 0, delta: "", finishReason: "stop" as const }) },
  { weight: 1, arbitrary: fc.constant({ choice: 0, delta: "t", extra: { tool_calls: [] } }) },
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ push: fc.array(chunk, { minLength: 50, maxLength: 300, size: "max" }) }) },
  { weight: 3, arbitrary: fc.record({ read: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.constant("all read" as const) },
  { weight: 1, arbitrary: fc.constant("join" as const) },
  { weight: 1, arbitrary: fc.record({ leave: fc.nat(5) }) },
);

describe("a replay", () => {
  it("gives each reader all of it in order, whoever else reads, joins or leaves meanwhile", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 30, size: "max" }), (steps) => {
        const replay = createReplay();
        const pushed: GenerationChunk[] = [];
        const readers: { reader: ReplayReader; got: GenerationChunk[] }[] = [];
        const join = () => readers.push({ reader: replay.reader(), got: [] });
        const read = ({ reader, got }: (typeof readers)[number]) => {
          const unread = replay.unreadUnits();
          while (reader.hasUnread()) got.push(...reader.read());
          expect(replay.unreadUnits()).toBe(0);
          expect(unread).toBeLessThanOrEqual(pushed.reduce((units, each) => units + chunkUnits(each), 0));
        };
        join();
        for (const each of steps) {
          if (each === "join") join();
          else if (each === "all read") for (const reader of readers) read(reader);
          else if ("push" in each) {
            replay.push(each.push);
            pushed.push(...each.push);
          } else if ("read" in each) {
            const reader = readers[each.read % readers.length];
            if (reader) read(reader);
          } else {
            readers.splice(each.leave % readers.length, 1)[0]?.reader.close();
            if (readers.length === 0) join();
          }
        }
        join();
        for (const each of readers) {
          read(each);
          expect(meaning(each.got)).toEqual(meaning(pushed));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("keeps few chunks, however many there were and whoever has read them", () => {
    const replay = createReplay();
    const [first, never] = [replay.reader(), replay.reader()];
    for (let index = 0; index < 10_000; index++) {
      replay.push([{ choice: index % 2, delta: "字" }]);
      if (index < 5_000) first.read();
    }
    for (const reader of [first, never, replay.reader()]) {
      const got = reader.read();
      expect(got.length).toBeLessThan(800);
      expect(got.map(({ delta }) => delta).join("")).toBe("字".repeat(reader === first ? 5_000 : 10_000));
    }
  });

  it("keeps for its readers only what they have not read, once nobody begins any more", () => {
    const replay = createReplay();
    const [quick, slow] = [replay.reader(), replay.reader()];
    replay.push([{ choice: 0, delta: "beginning" }]);
    quick.read();
    replay.forgetBeginning(1_000);
    expect(slow.read().map(({ delta }) => delta)).toEqual(["beginning"]);
    // What nobody can read any more is gone.
    expect(replay.reader().hasUnread()).toBe(false);
  });

  it("leaves a reader behind that does not read", () => {
    const replay = createReplay();
    const [quick, slow] = [replay.reader(), replay.reader()];
    replay.forgetBeginning(1_000);
    const pushed: string[] = [];
    for (let index = 0; !slow.isLeftBehind() && index < 100; index++) {
      replay.push([{ choice: 0, delta: "x".repeat(100) }]);
      pushed.push(...quick.read().map(({ delta }) => delta));
      expect(quick.isLeftBehind()).toBe(false);
    }
    expect(pushed.join("").length).toBe(1_100);
  });
});
