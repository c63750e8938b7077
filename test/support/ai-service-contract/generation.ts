import { expect, it } from "vitest";
import { write } from "../../../dev/embedded-writer.ts";
import { type ClientOf, expectNow, headers, texts } from "./asking.ts";

/** GenerateContent and StreamGenerateContent; text by the embedded writer. */
export function testGeneration(client: ClientOf): void {
  it.each(texts)("writes what the embedded writer writes: %j", async (prompt) => {
    const { pieces, finishReason, promptTokens } = write({ prompt, maxTokens: 0, stop: [] });
    const completionTokens = pieces.length;
    const answer = await client().generateContent({ projectId: "p", prompt }, { headers });
    expect(answer).toMatchObject({
      content: pieces.join(""),
      model: "embedded",
      finishReason,
      tokensUsed: promptTokens + completionTokens,
      usage: { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens },
      knowledge: "none",
    });
    expectNow(answer.generatedAt);
  });

  it.each(texts)("writes JSON where it is asked for: %j", async (prompt) => {
    const { pieces } = write({ prompt, maxTokens: 0, stop: [], json: true });
    const options = { responseFormat: "json_object" };
    const answer = await client().generateContent({ prompt, options }, { headers });
    expect(answer).toMatchObject({ content: pieces.join(""), finishReason: "stop" });
    const plain = write({ prompt, maxTokens: 0, stop: [] }).pieces.join("");
    expect(JSON.parse(answer.content)).toEqual({ text: plain });
    const stopped = { ...options, stop: [plain.slice(9, 12)] };
    const short = await client().generateContent({ prompt, options: stopped }, { headers });
    expect(JSON.parse(short.content)).toEqual({ text: plain.slice(0, 9).trimEnd() });
  });

  it("streams the same text piece by piece, with the end on the last chunk only", async () => {
    const prompt = "夜雨落在青石巷，";
    const { pieces } = write({ prompt, maxTokens: 0, stop: [] });
    const chunks = [];
    for await (const chunk of client().streamGenerateContent({ projectId: "p", prompt }, { headers }))
      chunks.push({ atMs: performance.now(), ...chunk });
    expect(chunks.map(({ delta }) => delta).filter(Boolean)).toEqual(pieces);
    expect(chunks[0]?.model).toBe("embedded");
    expect(chunks.map(({ finishReason }) => finishReason).filter(Boolean)).toEqual(["stop"]);
    expect(chunks.map(({ knowledge }) => knowledge).filter(Boolean)).toEqual(["none"]);
    expect(chunks.at(-1)).toMatchObject({ finishReason: "stop", usage: { completionTokens: pieces.length } });
    expect(Number(chunks.at(-1)?.atMs) - Number(chunks[0]?.atMs)).toBeGreaterThan(pieces.length * 10);
  });

  it("prefers messages to the prompt", async () => {
    const messages = [
      { role: "system", content: "你是小说家。" },
      { role: "user", content: "青羽落在窗前。" },
    ];
    const { pieces } = write({ prompt: "你是小说家。\n青羽落在窗前。", maxTokens: 0, stop: [] });
    const answer = await client().generateContent({ prompt: "something else", messages }, { headers });
    expect(answer.content).toBe(pieces.join(""));
  });

  it("ends after max_tokens, and before a stop word", async () => {
    const [prompt = ""] = texts;
    const short = await client().generateContent({ prompt, options: { maxTokens: 3 } }, { headers });
    expect(short).toMatchObject({ finishReason: "length", usage: { completionTokens: 3 } });
    const whole = await client().generateContent({ prompt }, { headers });
    const stop = whole.content.slice(20, 24);
    const stopped = await client().generateContent({ prompt, options: { stop: [stop, ""] } }, { headers });
    expect(stopped).toMatchObject({ content: whole.content.slice(0, 20).trimEnd(), finishReason: "stop" });
  });

  it("goes on after callers who left in mid-stream", async () => {
    const gone = new AbortController();
    const stream = client().streamGenerateContent({ prompt: "x" }, { headers, signal: gone.signal });
    for await (const { delta } of stream) {
      expect(delta).not.toBe("");
      break;
    }
    gone.abort();
    expect((await client().generateContent({ prompt: "x" }, { headers })).content).not.toBe("");
  });
}
