import { describe, expect, it } from "vitest";
import { at } from "./support/json.ts";
import { platformApp } from "./support/platform.ts";

const path = "/api/v1/ai/story/generate";
const body = { projectId: " p ", documentId: "d", mode: "continue" };
const settings = { AI_PROVIDERS: "openai" };

function told(sent: object, content: unknown, more: Record<string, unknown> = {}) {
  const given = () => Response.json({ content });
  const { app, visits, seen } = platformApp({
    replies: [{ says: "雨停了。" }],
    content: content === undefined ? undefined : given,
    settings: { ...settings, ...more },
  });
  return { answer: app.post(path, { ...body, ...sent }), visits, seen };
}
const userText = (visits: readonly { body: unknown }[]) => at(visits[0]?.body, "messages", 1, "content");

describe("a story that is to go on from no passage", () => {
  it.each([
    ["continue", {}, "请接着写下去。"],
    ["continue with a wish", { instruction: "写得慢一点。" }, "写得慢一点。"],
    ["continue from blank", { selectedText: " \n" }, "请接着写下去。"],
    ["suggest", { mode: "suggest" }, "请就后续的写作提出建议。"],
  ])("goes on from its document, as the platform has it: %s", async (_, sent, wish) => {
    const { answer, visits, seen } = told(sent, "<p>夜雨。</p><p>他回来了。</p>");
    expect([(await answer).status, userText(visits)]).toEqual([200, `夜雨。\n他回来了。\n\n${wish}`]);
    expect(seen.some(({ url }) => url.endsWith("/api/v1/internal/documents/d/content?project_id=p"))).toBe(true);
  });

  it("goes on from the end of a long one", async () => {
    const { answer, visits } = told({}, `${"长".repeat(9_000)}\n${"短".repeat(4_000)}\n尾声。`);
    await answer;
    expect(userText(visits)).toBe(`${"短".repeat(4_000)}\n尾声。\n\n请接着写下去。`);
  });

  it.each([
    ["a passage", { selectedText: "雨落。" }, "雨落。"],
    ["a passage to rewrite", { mode: "rewrite", selectedText: "雨落。" }, "雨落。"],
    ["a wish to rewrite by", { mode: "rewrite", instruction: "改写结尾。" }, "改写结尾。"],
  ])("is not what has %s", async (_, sent, text) => {
    const { answer, visits, seen } = told(sent, "夜雨。");
    expect([(await answer).status, userText(visits), seen]).toEqual([200, text, []]);
  });

  it.each([
    ["knows no such document", {}, 2],
    ["is not named", { QINGYU_PLATFORM_URL: "" }, 0],
  ])("is left to who writes where the platform %s", async (_, more, visited) => {
    const { answer, visits, seen } = told({}, undefined, more);
    expect([(await answer).status, userText(visits), seen.length]).toEqual([200, "请接着写下去。", visited]);
  });
});
