import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startCollecting } from "../src/collect.ts";
import type { GenerationChunk, JsonObject, JsonValue } from "../src/generation.ts";
import { isJsonList, isJsonObject } from "../src/json.ts";

const names = fc.constantFrom("id", "arguments", "function", "content", "__proto__", "constructor");
/** Little of everything, so that the same members and indexes meet again and again. */
const { value, object } = fc.letrec<{ value: JsonValue; object: JsonObject; numbered: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>("", "a", "青", 0, 1, null, true),
    tie("object"),
    fc.array(tie("numbered"), { maxLength: 3 }),
    fc.array(tie("value"), { maxLength: 3 }),
  ),
  object: fc.array(fc.tuple(names, tie("value")), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
  numbered: fc
    .tuple(fc.constantFrom<JsonValue>(0, 1, null, "a"), tie("object"))
    .map(([index, object]) => ({ index, ...object })),
}));

const chunk: fc.Arbitrary<GenerationChunk> = fc.record(
  { choice: fc.nat(1), delta: fc.constantFrom("", "x", "🪶"), extra: object, logprobs: value },
  { requiredKeys: ["choice", "delta"] },
);

/** What deltas amount to, without regard for what it costs. */
function merge(before: JsonValue, delta: JsonValue, key = ""): JsonValue {
  if (typeof before === "string" && typeof delta === "string") {
    return ["id", "type", "name", "role", "index"].includes(key) ? delta : before + delta;
  }
  if (isJsonList(before) && isJsonList(delta)) {
    const items = [...before];
    for (const item of delta) {
      const isIt = (old: JsonValue) => isJsonObject(old) && isJsonObject(item) && old.index === item.index;
      const at = isJsonObject(item) && item.index !== undefined ? items.findIndex(isIt) : -1;
      items[at < 0 ? items.length : at] = merge(items[at] ?? null, item);
    }
    return items;
  }
  if (!isJsonObject(before) || !isJsonObject(delta)) return delta === null ? before : delta;
  const entries = Object.entries(delta).map(([name, member]) => {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    return [name, merge(old ?? null, member, name)] as const;
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
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => {
        const collector = startCollecting({ provider: "p", model: "m", createdAtMs: 0 });
        const ends = [0, 1].map((choice) => ({ choice, delta: "", finishReason: "stop" as const }));
        for (const each of [...chunks, ...ends]) collector.add(frozen(each));
        for (const [choice, { content, extra, logprobs }] of collector.finish().choices.entries()) {
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
    const collector = startCollecting({ provider: "p", model: "m", createdAtMs: 0 });
    const extra: JsonObject = JSON.parse('{"a":{"__proto__":{"polluted":"yes"},"constructor":"x"}}');
    collector.add({ choice: 0, delta: "", extra });
    collector.add({ choice: 0, delta: "", extra, finishReason: "stop" });
    const collected = collector.finish().choices[0].extra?.a;
    expect(JSON.stringify(collected)).toBe('{"__proto__":{"polluted":"yesyes"},"constructor":"xx"}');
    expect(Object.getPrototypeOf(collected)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });
});
