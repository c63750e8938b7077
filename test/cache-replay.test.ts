import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createReplay, type ReplayReader } from "../src/cache/sharing/replay.ts";
import type { GenerationChunk } from "../src/generation.ts";

/** What chunks say, with the text of each choice put together between other things. */
function meaning(chunks: readonly GenerationChunk[]): unknown[] {
  const said: [choice: number, text: string, rest: unknown][] = [];
  for (const { choice, delta, ...rest } of chunks) {
    const isText = Object.keys(rest).length === 0;
    const last = said.at(-1);
    if (isText && last && last[0] === choice && last[2] === undefined) last[1] += delta;
    else said.push([choice, delta, isText ? undefined : rest]);
  }
  return said;
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
          got.push(...reader.read());
          expect(reader.hasUnread()).toBe(false);
          expect(replay.unreadUnits()).toBe(0);
          expect(unread).toBeLessThanOrEqual(pushed.reduce((units, { delta }) => units + delta.length + 1, 0));
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

  it("keeps few chunks of what everybody has read, however many there were", () => {
    const replay = createReplay();
    const first = replay.reader();
    for (let index = 0; index < 10_000; index++) {
      replay.push([{ choice: 0, delta: "字" }]);
      first.read();
    }
    const got = replay.reader().read();
    expect(got.length).toBeLessThan(800);
    expect(got.map(({ delta }) => delta).join("")).toBe("字".repeat(10_000));
  });
});
