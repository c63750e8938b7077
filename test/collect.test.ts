import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startCollecting } from "../src/collect.ts";
import type { Choice, GenerationChunk, JsonObject, JsonValue } from "../src/generation.ts";
import { isJsonList, isJsonObject } from "../src/json.ts";
import { shortChunks } from "../src/pieces.ts";

const names = fc.constantFrom("id", "arguments", "function", "content", "__proto__", "constructor");

/** Chunks with little of everything, so that the same members and indexes meet again and again. */
function chunksWith(...texts: readonly string[]): fc.Arbitrary<GenerationChunk[]> {
  const { value, object } = fc.letrec<{ value: JsonValue; object: JsonObject; numbered: JsonObject }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<JsonValue>("", "a", "青", 0, 1, null, true, ...texts),
      tie("object"),
      fc.array(tie("numbered"), { maxLength: 3 }),
      fc.array(tie("value"), { maxLength: 3 }),
    ),
    object: fc.array(fc.tuple(names, tie("value")), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
    numbered: fc
      .tuple(fc.constantFrom<JsonValue>(0, 1, null, "a"), tie("object"))
      .map(([index, object]) => ({ index, ...object })),
  }));
  const chunk = fc.record(
    {
      choice: fc.nat(1),
      delta: fc.constantFrom("", "x", "🪶", ...texts),
      extra: object,
      logprobs: value.filter((each) => each !== null),
    },
    { requiredKeys: ["choice", "delta"] },
  );
  return fc.array(chunk, { maxLength: 8 });
}

const ends = [0, 1].map((choice) => ({ choice, delta: "", finishReason: "stop" as const }));

function collected(chunks: Iterable<GenerationChunk>): readonly Choice[] {
  const collector = startCollecting({ provider: "p", model: "m", createdAtMs: 0 });
  for (const chunk of chunks) collector.add(frozen(chunk));
  return collector.finish().choices;
}

const pieces = ["arguments", "content", "tool_calls"];

/** What deltas amount to, without regard for what it costs. */
function merge(before: JsonValue, delta: JsonValue, key = ""): JsonValue {
  if (before === null) return delta;
  if (delta === null || delta === "" || (isJsonList(delta) && delta.length === 0)) return before;
  if (typeof before === "string" && typeof delta === "string") return pieces.includes(key) ? before + delta : delta;
  if (isJsonList(before) && isJsonList(delta) && pieces.includes(key)) {
    const items = [...before];
    for (const item of delta) {
      const isIt = (old: JsonValue) => isJsonObject(old) && isJsonObject(item) && old.index === item.index;
      const at = isJsonObject(item) && item.index !== undefined ? items.findIndex(isIt) : -1;
      items[at < 0 ? items.length : at] = merge(items[at] ?? null, item);
    }
    return items;
  }
  if (!isJsonObject(before) || !isJsonObject(delta)) return delta;
  const entries = Object.entries(delta).map(([name, member]) => {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    return [name, old === undefined ? member : merge(old, member, name)] as const;
  });
  return { ...before, ...Object.fromEntries(entries) };
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}

describe("what a stream's chunks amount to", () => {
  it("is what their deltas say, and none of the chunks is changed", () => {
    fc.assert(
      fc.property(chunksWith(), (chunks) => {
        for (const [choice, { content, extra, logprobs }] of collected([...chunks, ...ends]).entries()) {
          const own = chunks.filter((each) => each.choice === choice);
          const put = (member: "extra" | "logprobs") => {
            const said = own.map((each) => each[member]).filter((each) => each !== undefined);
            return said.length > 0 ? said.reduce((before, delta) => merge(before, delta)) : undefined;
          };
          expect(content).toBe(own.map(({ delta }) => delta).join(""));
          expect(JSON.stringify(logprobs)).toBe(JSON.stringify(put("logprobs")));
          expect(JSON.stringify(extra)).toBe(JSON.stringify(put("extra")));
        }
      }),
      { numRuns: 400 },
    );
  });

  it("has members of any name, which change no object's prototype", () => {
    const extra: JsonObject = JSON.parse('{"a":{"__proto__":{"polluted":"yes"},"constructor":"x"}}');
    const [{ a } = {}] = collected([{ choice: 0, delta: "", extra }, { choice: 0, delta: "", extra }, ...ends]).map(
      (choice) => choice.extra,
    );
    expect(JSON.stringify(a)).toBe('{"__proto__":{"polluted":"yes"},"constructor":"x"}');
    expect(Object.getPrototypeOf(a)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });

  it("is the same where the long ones come in pieces, each of them short and of whole characters", () => {
    // An odd length, so that a piece would end within a character.
    const longTexts = ["x".repeat(20_000), `x${"🪶".repeat(10_000)}`];
    fc.assert(
      fc.property(chunksWith(...longTexts), (chunks) => {
        const pieces = [...shortChunks([...chunks, ...ends])];
        for (const { delta } of pieces) {
          expect(delta.length).toBeLessThanOrEqual(8 * 1024);
          expect(delta.isWellFormed()).toBe(true);
        }
        expect(JSON.stringify(collected(pieces))).toBe(JSON.stringify(collected([...chunks, ...ends])));
      }),
      { numRuns: 100 },
    );
  });
});
