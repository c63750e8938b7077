import { expect, it } from "vitest";
import { assembleStory } from "../../../dev/embedded-story.ts";
import { write } from "../../../dev/embedded-writer.ts";
import { type ClientOf, expectNow, headers } from "./asking.ts";

const parts = { instruction: "写得慢一点。", selectedText: "雨落下来。", assembledPrompt: "" };

/** StoryWrite; text by the embedded writer. */
export function testStories(client: ClientOf): void {
  it.each([
    ["a continuation", { ...parts, mode: "continue" }],
    ["a rewriting", { ...parts, mode: "rewrite" }],
    ["suggestions", { ...parts, mode: "suggest" }],
    ["another mode", { ...parts, mode: "summarise" }],
    ["no mode", { ...parts, mode: "" }],
    ["no passage", { ...parts, mode: "continue", selectedText: " \n" }],
    ["a passage only, in English", { ...parts, mode: "continue", instruction: "", selectedText: "Rain fell. " }],
    ["an assembled prompt", { ...parts, mode: "continue", assembledPrompt: "大纲：青羽归来🪶。" }],
  ])("writes what the embedded writer writes: %s", async (_, asked) => {
    const { prompt, stageTokens } = assembleStory(asked);
    const options = { maxTokens: 20 };
    const { pieces, promptTokens } = write({ prompt, stop: [], ...options });
    const answer = await client().storyWrite({ projectId: "p", documentId: "d", ...asked, options }, { headers });
    expect(answer).toMatchObject({
      content: pieces.join(""),
      model: "embedded",
      tokensUsed: promptTokens + pieces.length,
      contextStats: { stageTokens, outlineTokens: 0, ragTokens: 0, totalTokens: stageTokens },
    });
    expectNow(answer.generatedAt);
  });

  it("counts a wide character as a token, and four others", async () => {
    const asked = { mode: "continue", selectedText: "雨落下来。", instruction: "Go on slowly." };
    const { contextStats } = await client().storyWrite({ ...asked, options: { maxTokens: 1 } }, { headers });
    // Five wide ones; two line ends and thirteen letters.
    expect(contextStats).toMatchObject({ stageTokens: 9, totalTokens: 9 });
  });

  it("keeps to the options", async () => {
    const asked = { ...parts, mode: "continue" };
    const { prompt } = assembleStory(asked);
    const whole = write({ prompt, maxTokens: 0, stop: [] });
    const text = whole.pieces.join("");
    const written = async (options: { maxTokens?: number; stop?: string[]; responseFormat?: string; model?: string }) =>
      await client().storyWrite({ ...asked, options }, { headers });
    expect((await written({})).content).toBe(text);
    expect(await written({ maxTokens: 3 })).toMatchObject({
      content: whole.pieces.slice(0, 3).join(""),
      tokensUsed: whole.promptTokens + 3,
    });
    const stopped = await written({ stop: ["", text.slice(20, 24)] });
    expect(stopped.content).toBe(text.slice(0, 20).trimEnd());
    const json = await written({ responseFormat: "json_object", model: "some-model" });
    expect(JSON.parse(json.content)).toEqual({ text });
    expect(json.model).toBe("embedded");
  });
}
