import { describe, expect, it } from "vitest";
import { findWords } from "../src/tasks/find-words.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { ownId } from "./support/ids.ts";
import { at } from "./support/json.ts";
import { writerSettings, writers } from "./support/writers.ts";

const path = "/api/v1/ai/audit/sensitive-words";

async function check(body: object, sensitiveWords: readonly object[] = []) {
  const { network, visits } = writers([{ says: { sensitiveWords } }]);
  const answer = await testApp({ network, settings: writerSettings("openai") }).post(path, body);
  return { answer, visits, data: at(answer.json(), "data") };
}

/** The words that were found, with where each begins; what stands there by its code points is what is told. */
function placesIn(text: string, data: unknown) {
  const found = at(data, "sensitiveWords");
  if (!Array.isArray(found)) throw new Error("nothing was told");
  const points = [...text];
  return found.map((match: unknown) => {
    const [start, end] = ["start", "end"].map((name) => Number(at(match, "position", name))) as [number, number];
    expect(points.slice(start, end).join("")).toBe(at(match, "word"));
    return [start, at(match, "word")];
  });
}

describe("custom words are found without a model", () => {
  it.each<[string, string, string[], [number, string][]]>([
    ["as they are", "夜雨落在青石巷", ["青石"], [[4, "青石"]]],
    [
      "wherever they stand",
      "雨雨𠀀雨",
      ["雨"],
      [
        [0, "雨"],
        [1, "雨"],
        [3, "雨"],
      ],
    ],
    [
      "in full and half width",
      "ＶＰＮ vpn ﾊﾟﾝ パン",
      ["vpn", "パン"],
      [
        [0, "ＶＰＮ"],
        [4, "vpn"],
        [8, "ﾊﾟﾝ"],
        [12, "パン"],
      ],
    ],
    [
      "in either case",
      "Vpn VPN",
      ["ｖPn"],
      [
        [0, "Vpn"],
        [4, "VPN"],
      ],
    ],
    [
      "with their marks, composed or not",
      "caf\u00e9 cafe\u0301 cafe",
      ["cafe\u0301"],
      [
        [0, "caf\u00e9"],
        [5, "cafe\u0301"],
      ],
    ],
    [
      "across each other",
      "中国人民银行",
      ["中国人", "人民", "民银行", "人"],
      [
        [0, "中国人"],
        [2, "人"],
        [2, "人民"],
        [3, "民银行"],
      ],
    ],
    [
      "within themselves",
      "aaaa",
      ["aa"],
      [
        [0, "aa"],
        [1, "aa"],
        [2, "aa"],
      ],
    ],
    [
      "where a shorter one begins a longer one that fails",
      "abcabd",
      ["abcabc", "bcabd", "abd"],
      [
        [1, "bcabd"],
        [3, "abd"],
      ],
    ],
    [
      "in a character that stands for several",
      "㎏…",
      ["k", "."],
      [
        [0, "㎏"],
        [1, "…"],
      ],
    ],
    ["over lines", "青\r\n石", ["青\r\n石"], [[0, "青\r\n石"]]],
    ["once however often they are named", "雨", ["雨", " 雨 ", "雨"], [[0, "雨"]]],
    ["not where they are blank", "夜 雨", ["", " "], []],
  ])("%s", async (_, content, customWords, places) => {
    const { data } = await check({ content, customWords, category: "other" });
    expect(placesIn(content, data)).toEqual(places);
    expect(data).toMatchObject({ isSafe: places.length === 0, totalMatches: places.length });
  });

  it("within a second in the longest text, whatever the words are", () => {
    const text = "a".repeat(400_000);
    const words = Array.from({ length: 1_000 }, (_, index) => `${"a".repeat(50 + (index % 49))}${index}`);
    expect(findWords(text, words, 1_000)).toEqual([]);
    const nested = Array.from({ length: 100 }, (_, index) => "a".repeat(index + 1));
    expect(findWords(text, nested, 1_000)).toHaveLength(1_000);
  }, 3_000);

  it("and told up to a thousand times", async () => {
    const { data } = await check({ content: "雨".repeat(1_001), customWords: ["雨"] });
    expect(data).toMatchObject({
      totalMatches: 1_000,
      isTruncated: true,
      droppedWords: null,
      summary: { byCategory: { custom: 1_000 } },
    });
  });
});

describe("words that a model names", () => {
  const said = [
    { word: "赌局", category: "other", suggestion: "改为牌局", reason: "涉赌" },
    { word: "血洗", category: "violence", level: "high" },
    { word: "夜袭", category: "暴力", level: "" },
    { word: "青帮", category: "political" },
    { word: "不在", category: "adult" },
  ];
  const content = "他在赌局里说血洗，又去赌局。夜袭青帮。";

  it("are found wherever they stand, and judged", async () => {
    const { data, answer } = await check({ content, text: content, category: "all" }, said);
    expect(answer.json()).toMatchObject({ code: 0, message: "检测完成" });
    expect(data).toMatchObject({
      checkId: ownId,
      isSafe: false,
      totalMatches: 5,
      droppedWords: 1,
      isTruncated: false,
      tokensUsed: 18,
      sensitiveWords: [
        {
          id: ownId,
          word: "赌局",
          category: "other",
          level: "low",
          position: { line: 1, column: 3, start: 2, end: 4, length: 2 },
          context: content,
          suggestion: "改为牌局",
          reason: "涉赌",
        },
        { word: "血洗", category: "violence", level: "high", suggestion: "建议修改或删除敏感词「血洗」" },
        { word: "赌局", position: { start: 11 } },
        { word: "夜袭", category: "violence", level: "medium" },
        { word: "青帮", category: "political", level: "high" },
      ],
      summary: {
        byCategory: { other: 2, violence: 2, political: 1 },
        byLevel: { high: 2, medium: 1, low: 2 },
        highRiskCount: 2,
        mediumRiskCount: 1,
        lowRiskCount: 2,
      },
    });
  });

  it.each([
    ["political", ["青帮"]],
    ["violence", ["血洗", "夜袭"]],
    ["adult", []],
    ["other", ["赌局", "赌局"]],
  ])("are asked for, and told, of the category %s", async (category, words) => {
    const { data, visits } = await check({ content: `${content}${category}`, category }, said);
    expect(placesIn(`${content}${category}`, data).map(([, word]) => word)).toEqual(words);
    const instructions = String(at(visits[0]?.body, "messages", 0, "content"));
    expect(["political", "violence", "adult", "other"].filter((each) => instructions.includes(`${each}：`))).toEqual([
      category,
    ]);
  });

  it.each<[object, object]>([
    [
      { word: "雨夜", category: "other" },
      { category: "custom", level: "medium", reason: "自定义敏感词" },
    ],
    [
      { word: "雨夜", category: "political", reason: "有所指" },
      { category: "political", level: "high", reason: "有所指" },
    ],
  ])("and are custom words too are one match, as it is judged more severely: %j", async (word, expected) => {
    const { data } = await check({ content: `雨夜，${Object.values(word).at(1)}`, customWords: ["雨夜"] }, [word]);
    expect(at(data, "sensitiveWords")).toEqual([expect.objectContaining(expected)]);
  });

  it("are shown with fifty characters on each side", async () => {
    const around = "𠀀".repeat(60);
    const { data } = await check({ content: `${around}赌局${around}` }, [{ word: "赌局" }]);
    const cut = "𠀀".repeat(50);
    expect(at(data, "sensitiveWords", 0, "context")).toBe(`...${cut}赌局${cut}...`);
  });

  it("or nobody else fails the whole check where it says nothing of use", async () => {
    const { network } = writers([{ says: "没有。" }]);
    const answer = await testApp({ network, settings: writerSettings("openai") }).post(path, {
      content: "赌",
      customWords: ["赌"],
    });
    expect([answer.status, answer.json()]).toMatchObject([502, { code: 5004, data: null }]);
  });
});

it.each<[object, string]>([
  [{}, "content"],
  [{ content: "雨", category: "weather" }, "category"],
  [{ content: "雨", customWords: "雨" }, "customWords"],
  [{ content: "雨", customWords: [7] }, "customWords[0]"],
  [{ content: "雨", customWords: ["雨".repeat(101)] }, "customWords[0]"],
  [{ content: "雨", customWords: Array(1_001).fill("雨") }, "customWords"],
])("of %j it is said what is wrong", async (body, param) => {
  const { answer, visits } = await check(body);
  expect([answer.status, answer.json(), visits]).toMatchObject([400, { code: 1001, param }, []]);
});
