import { expect } from "vitest";
import documents from "../../dev/demo-project.json" with { type: "json" };

const [chapter] = documents;
const text = chapter?.text ?? "";

/** One call of each of the platform's functions, and what must come of it, whoever writes. */
export const platformCalls = [
  [
    "/api/v1/ai/writing/continue",
    { projectId: "demo-project", currentText: text, continueLength: 200 },
    { code: 0, data: { generated_text: expect.stringMatching(/^[^a-z]{160,240}$/) } },
  ],
  [
    "/api/v1/ai/writing/summarize",
    { content: text, maxLength: 100 },
    { code: 0, data: { summary: expect.stringMatching(/^[^a-z]{1,100}$/), keyPoints: expect.any(Array) } },
  ],
  [
    "/api/v1/ai/writing/summarize-chapter",
    { projectId: "demo-project", chapterId: "chapter-1", outlineLevel: 3 },
    {
      code: 0,
      data: {
        chapterTitle: "第一章 夜雨",
        summary: "林青羽推开客栈的门时，雨正落得最密。",
        plotOutline: [{ level: 1, children: [{ level: 2, children: [{ level: 3 }] }] }, {}],
        characters: [{ name: "林青羽" }, {}],
      },
    },
  ],
  [
    "/api/v1/ai/writing/proofread",
    { content: text, checkTypes: ["spelling"] },
    { code: 0, data: { score: 99, issues: [{ type: "spelling", severity: "suggestion" }, {}] } },
  ],
  [
    "/api/v1/ai/audit/sensitive-words",
    { content: text, category: "all" },
    {
      code: 0,
      data: { isSafe: false, sensitiveWords: expect.arrayContaining([expect.objectContaining({ word: "林青" })]) },
    },
  ],
  [
    "/api/v1/story/analyze-chapter",
    { project_id: "demo-project", chapter_id: "chapter-1", text },
    {
      state_changes: [{ entity_name: "林青羽" }, {}],
      new_entities: [{ name: "林青羽", entity_type: "character" }, {}],
      events: [{ involved_entities: ["林青羽"] }, {}],
    },
  ],
  [
    "/api/v1/ai/polish",
    { projectId: "demo-project", originalText: text, rewriteMode: "polish" },
    { code: 0, data: { polished_text: expect.stringMatching(/\p{Script=Han}/u) } },
  ],
  [
    "/api/v1/ai/chat",
    { message: "主角叫什么？", history: [] },
    { code: 0, data: { reply: expect.stringMatching(/\p{Script=Han}/u), usage: { total_tokens: expect.any(Number) } } },
  ],
] as const;

/** Answers as a client of the platform gets them, with nothing of earlier runs. */
export async function callPlatform(url: string, path: string, body: object): Promise<unknown> {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify(body),
  });
  return await answer.json();
}
