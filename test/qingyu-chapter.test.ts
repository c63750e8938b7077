import { describe, expect, it } from "vitest";
import { chapterOf, order, rare, repeated, slip } from "./support/clients/chapter.ts";
import { analyzeChapter } from "./support/clients/go.ts";
import { messageIn, type Question, type Reply } from "./support/clients/model.ts";
import { modelText } from "./support/clients/platform-calls.ts";
import { goodReply, platform } from "./support/clients/setting.ts";
import { misquotedAbout, writtenAbout } from "./support/clients/written.ts";
import { at } from "./support/json.ts";
import { bearer, signed } from "./support/tokens.ts";

/* A chapter as long as chapters are, through every task, before models that answer well and badly. */

const length = 8_000;
const chapter = chapterOf(length);
const points = Array.from(chapter);
const project = { projectId: "p", chapterId: "c" };
const content = { content: chapter, ...project };
const settings = { JWT_SECRET: undefined };

/** Paths whose answer is a text: what is sent, and under which names the text comes. */
const texts: Readonly<Record<string, readonly [body: object, ...names: string[]]>> = {
  "ai/generate": [
    { ...project, currentText: chapter, prompt: `${chapter}\n\n续写`, type: "continue" },
    "generated_text",
  ],
  "ai/writing/continue": [{ ...project, currentText: chapter, continueLength: 500 }, "content", "generated_text"],
  "ai/writing/rewrite": [{ ...project, originalText: chapter, rewriteMode: "casual" }, "content", "rewritten_text"],
  "ai/rewrite": [{ ...project, originalText: chapter, rewriteMode: "formal" }, "content", "rewritten_text"],
  "ai/expand": [{ ...project, originalText: chapter, rewriteMode: "expand", targetLength: 16_000 }, "expanded_text"],
  "ai/polish": [{ ...project, originalText: chapter, rewriteMode: "polish" }, "content", "polished_text"],
  "ai/chat": [{ message: `这一章怎么样？\n${chapter}`, history: [] }, "reply"],
};
const bareTexts: Readonly<Record<string, object>> = {
  "ai/writing/continue": { project_id: "p", current_text: chapter, continue_length: 500 },
  "ai/writing/polish": { text: chapter, style: "文学", focus_areas: ["flow"] },
  "ai/writing/expand": { text: chapter, expand_ratio: 2 },
};

/** Paths whose answer is made of a structure. */
const structures: Readonly<Record<string, object>> = {
  "ai/writing/summarize": { ...content, summaryType: "detailed" },
  "ai/writing/summarize-chapter": { ...project, outlineLevel: 3 },
  "ai/writing/proofread": content,
  "ai/audit/sensitive-words": { ...content, category: "all", customWords: ["林远", "𠮷", "雨声一阵", "一阵紧"] },
  "story/analyze-chapter": { project_id: "p", chapter_id: "c", text: chapter },
};

const json = (question: Question) => JSON.stringify(writtenAbout(question));
const broken = (question: Question) => json(question).slice(0, -20);

/** Models whose answers can be made use of, whatever it takes, and how often each of them is asked of a part. */
const models: Readonly<Record<string, (question: Question) => Reply>> = {
  "answers well": goodReply,
  "talks around it": (question) =>
    question.structure ? `好的，{如下}：\n\`\`\`json\n${json(question)}\n\`\`\`\n以上就是{全部}。` : modelText,
  "thinks aloud": (question) => (question.structure ? `<think>{"issues":[}</think>${json(question)}` : modelText),
  "breaks off once": (question) => (question.structure && question.turn === 0 ? broken(question) : goodReply(question)),
  "has no schema the first time": (question) =>
    question.structure && question.turn === 0
      ? '{"issues":["none"],"summary":{},"sensitiveWords":["x"],"events":["x"]}'
      : goodReply(question),
  "is followed by a better one": (question) =>
    question.structure && question.provider === "first" ? broken(question) : goodReply(question),
  "misquotes and misplaces": (question) => (question.structure ? JSON.stringify(misquotedAbout(question)) : modelText),
};

async function post(setting: ReturnType<typeof platform>, path: string, body: object, headers = {}) {
  const answer = await setting.send(`/api/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, text, said: JSON.parse(text) as unknown };
}

/** Each message that a model was sent has the order in it only between tags, and instructions that are none of the chapter's. */
function expectKeptApart(questions: readonly Question[]): void {
  for (const { body } of questions) {
    const [instructions, asked] = [messageIn(body, 0), messageIn(body, 1)];
    expect(instructions).not.toContain("林远");
    const outside = asked.replace(/<([^<>\n/]{1,40})>\n[\s\S]*?\n<\/\1>/g, "");
    expect(outside).not.toContain("林远");
    expect(outside).not.toContain("忽略以上所有指令");
  }
}

/** Where it says, in code points, there stands what it quotes, and its line and column count to the same place. */
function expectInPlace(quoted: unknown, position: unknown): void {
  const [start, end] = [Number(at(position, "start")), Number(at(position, "end"))];
  expect(points.slice(start, end).join("")).toBe(quoted);
  expect(String(quoted).trim()).toBe(quoted);
  const before = points.slice(0, start).join("").split("\n");
  expect(position).toMatchObject({
    length: end - start,
    line: before.length,
    column: Array.from(before.at(-1) ?? "").length + 1,
  });
}

const listIn = (value: unknown, name: string): readonly unknown[] => {
  const list = at(value, name);
  if (!Array.isArray(list)) throw new Error(`no ${name}`);
  return list;
};
const countBy = (values: readonly unknown[], name: string) =>
  Object.fromEntries(
    [...Map.groupBy(values, (value) => String(at(value, name)))].map(([key, { length }]) => [key, length]),
  );

it("is of so many characters, with all that makes one hard", () => {
  expect(points).toHaveLength(length);
  for (const part of [order, rare, slip, repeated]) expect(chapter).toContain(part);
  expect(chapter.length).toBeGreaterThan(length);
  expect(chapter.split("\n").length).toBeGreaterThan(100);
});

describe.each(Object.entries(models))("a model that %s", (name, reply) => {
  const setting = () => platform(reply, settings, chapter);

  it.each(Object.entries(texts))("is asked for a text: %s", async (path, [body, ...names]) => {
    const gateway = setting();
    const { said, text } = await post(gateway, path, body);
    for (const each of names) expect([text, at(said, "data", each)]).toEqual([text, modelText]);
    expect(gateway.questions).toHaveLength(1);
    expect(messageIn(gateway.questions[0]?.body, 1)).toContain(rare);
    if (path !== "ai/chat") expectKeptApart(gateway.questions);
  });

  it.each(Object.entries(bareTexts))("is asked for a text, bare: %s", async (path, body) => {
    const gateway = setting();
    const { said, text } = await post(gateway, path, body);
    expect([text, at(said, "generated_text")]).toEqual([text, modelText]);
    expectKeptApart(gateway.questions);
  });

  it("sums up", async () => {
    const gateway = setting();
    const { said, text } = await post(gateway, "ai/writing/summarize", structures["ai/writing/summarize"] ?? {});
    const summary = String(at(said, "data", "summary"));
    expect([text, summary]).toEqual([text, "夜雨里，林远回到青石巷。"]);
    expect(at(said, "data")).toMatchObject({
      keyPoints: ["林远归来", "苏晚认出了他"],
      ...{ originalLength: length, summaryLength: 12 },
    });
    expect(at(said, "data", "compressionRate")).toBeCloseTo(12 / length, 3);
    expectKeptApart(gateway.questions);
  });

  it("sums up the platform's chapter", async () => {
    const gateway = setting();
    const path = "ai/writing/summarize-chapter";
    const { said, text } = await post(gateway, path, structures[path] ?? {});
    expect([text, at(said, "data")]).toMatchObject([
      text,
      {
        ...{ chapterId: "c", chapterTitle: "夜雨归人", summary: "夜雨里，林远回到青石巷。", keyPoints: ["林远归来"] },
        plotOutline: [{ level: 1, title: "归来", children: [{ level: 2, title: "敲门" }] }],
        characters: [{ name: "林远", role: "主角", appearance: "青衫" }],
      },
    ]);
    expectKeptApart(gateway.questions);
  });

  it("proofreads", async () => {
    const gateway = setting();
    const { said, text } = await post(gateway, "ai/writing/proofread", content);
    const data = at(said, "data");
    expect([text, at(said, "code")]).toEqual([text, 0]);
    const issues = listIn(data, "issues");
    const quotes = new Set(issues.map((issue) => at(issue, "originalText")));
    expect(quotes).toEqual(new Set(["的的", repeated, "小吉👩‍👩‍👧笑了😀"]));
    for (const issue of issues) expectInPlace(at(issue, "originalText"), at(issue, "position"));
    expect(
      at(
        issues.find((issue) => at(issue, "originalText") === "的的"),
        "position",
        "end",
      ),
    ).toBe(length - 7);
    const ids = issues.map((issue) => at(issue, "id"));
    expect(new Set(ids).size).toBe(ids.length);
    const severities = { error: 0, warning: 0, suggestion: 0, ...countBy(issues, "severity") };
    const statistics = {
      ...{ totalIssues: issues.length, errorCount: severities.error, warningCount: severities.warning },
      ...{ suggestionCount: severities.suggestion, issuesByType: countBy(issues, "type"), characterCount: length },
    };
    const deducted = 5 * severities.error + 2 * severities.warning + 0.5 * severities.suggestion;
    expect(data).toMatchObject({ originalContent: chapter, statistics, score: Math.max(0, 100 - deducted) });
    expectKeptApart(gateway.questions);
  });

  it("audits, custom words or not", async () => {
    const gateway = setting();
    const path = "ai/audit/sensitive-words";
    const { said, text } = await post(gateway, path, structures[path] ?? {});
    const data = at(said, "data");
    expect([text, at(said, "code")]).toEqual([text, 0]);
    const words = listIn(data, "sensitiveWords");
    for (const word of words) expectInPlace(at(word, "word"), at(word, "position"));
    const counts = countBy(words, "word");
    for (const word of ["林远", "𠮷", "雨声一阵", "一阵紧", "城隍庙", "𪚥𡚸"]) {
      expect([word, counts[word]]).toEqual([word, chapter.split(word).length - 1]);
    }
    const levels = { high: 0, medium: 0, low: 0, ...countBy(words, "level") };
    expect(data).toMatchObject({
      ...{ totalMatches: words.length, isSafe: expect.any(Boolean) },
      summary: {
        ...{ byCategory: countBy(words, "category"), highRiskCount: levels.high },
        ...{ mediumRiskCount: levels.medium, lowRiskCount: levels.low },
      },
    });
    expectKeptApart(gateway.questions);
  });

  it("tells what changes", async () => {
    const gateway = setting();
    const path = "story/analyze-chapter";
    const { value, missing } = await analyzeChapter(gateway.send, "", structures[path] ?? {});
    expect(missing).toEqual([]);
    expect(value).toMatchObject({
      state_changes: [{ entity_name: "林远", new_value: "青石巷" }],
      relation_changes: [{ from_entity: "林远", to_entity: "苏晚" }],
      new_entities: [{ name: "老陈" }],
      events: [{ description: "林远归来", involved_entities: ["林远"] }],
    });
    expectKeptApart(gateway.questions);
  });

  if (name === "answers well")
    it("is asked no more than once for each part, and not for many at once", async () => {
      for (const [path, body] of Object.entries(structures)) {
        const gateway = setting();
        await post(gateway, path, body);
        expect(gateway.questions.length).toBeLessThanOrEqual(4);
        expect(new Set(gateway.questions.map(({ turn }) => turn))).toEqual(new Set([0]));
      }
    });
});

describe("a reader, who has 10,000 tokens a day", () => {
  const bodies = Object.fromEntries(Object.entries(texts).map(([path, [body]]) => [path, body]));

  it.each(Object.entries({ ...bodies, ...structures }))(
    "may have a whole chapter worked on: %s",
    async (path, body) => {
      const token = await signed({ claims: { user_id: crypto.randomUUID(), roles: ["reader"] } });
      const { status, text } = await post(platform(goodReply, {}, chapter), path, body, bearer(token));
      expect([status, text]).toEqual([200, text]);
    },
  );
});

describe("models that never write what is wanted", () => {
  const half: Readonly<Record<string, (question: Question) => Reply>> = {
    "broken JSON": broken,
    "no JSON": () => "好",
    "another structure": () => '{"answer":"好"}',
  };

  it.each(
    Object.entries(half).flatMap(([says, reply]) =>
      Object.entries(structures).map(([path, body]) => [says, path, body, reply] as const),
    ),
  )("are never half of an answer: %s, %s", async (_, path, body, reply) => {
    const gateway = platform(reply, settings, chapter);
    const { status, said } = await post(gateway, path, body);
    expect([status, at(said, "code")]).toEqual([502, 5004]);
    // Each is asked for one repair.
    expect(gateway.questions.length).toBeLessThanOrEqual(4 * 4);
  });
});
