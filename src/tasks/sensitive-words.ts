import { type SensitiveWord, SensitiveWordsSchema } from "../gen/qingyu/writing/structures_pb.ts";
import { findWords } from "./find-words.ts";
import { folded } from "./folded.ts";
import { mostOfPart } from "./parts.ts";
import { type Position, positionsIn, type Span, unitsAway } from "./positions.ts";
import type { StructuredTask } from "./structured-task.ts";

/** What a model is asked for; `custom` are the words that a caller names himself. */
export const modelCategories = ["political", "violence", "adult", "other"] as const;
type ModelCategory = (typeof modelCategories)[number];
export const categories = [...modelCategories, "custom"] as const;
type Category = (typeof categories)[number];
export const levels = ["high", "medium", "low"] as const;
type Level = (typeof levels)[number];

export type SensitiveWordsWish = {
  readonly text: string;
  readonly category: "all" | ModelCategory;
  readonly customWords: readonly string[];
};

interface Match {
  /** What stands there. */
  readonly word: string;
  readonly category: Category;
  readonly level: Level;
  readonly position: Position;
  /** The text around it. */
  readonly context: string;
  readonly suggestion: string;
  readonly reason: string;
}

export interface SensitiveWordsResult {
  /** In the order of the text, at most 1,000 of a caller's words and as many of the model's. */
  readonly matches: readonly Match[];
  /** Whether there are more. */
  readonly isTruncated: boolean;
  /** How many words the model named that do not stand in the text; null where not all were looked for. */
  readonly droppedWords: number | null;
  readonly summary: MatchSummary;
}

interface MatchSummary {
  readonly byCategory: Readonly<Partial<Record<Category, number>>>;
  readonly byLevel: Readonly<Record<Level, number>>;
  readonly highRiskCount: number;
  readonly mediumRiskCount: number;
  readonly lowRiskCount: number;
}

const categoryNames: Readonly<Record<ModelCategory, string>> = {
  political: "political：涉及政治、领土、宗教或民族而不宜发表的词",
  violence: "violence：血腥、残杀、恐怖、教唆伤害的词",
  adult: "adult：色情、露骨的性描写用词",
  other: "other：毒品、赌博、诈骗、辱骂、歧视等其他不宜发表的词",
};

const instructions = `你是网络小说平台的内容审核编辑，找出原文里不宜发表的敏感词。
word 逐字照抄原文里的词，只写词本身，不写整句；同一个词只列一次。
category 用上面的英文词；level 用 high（不改不能发表）、medium（应当改）或 low（可酌情改）。
suggestion 写怎样改或换成什么词，reason 用一句话说明理由。
情节正常需要、读者普遍接受的词不算；没有敏感词就给空数组。`;

/** Words of a text that may not be published: those that a model names, and a caller's own, which are found without it. */
export const sensitiveWordsTask: StructuredTask<SensitiveWordsWish, typeof SensitiveWordsSchema, SensitiveWordsResult> =
  {
    name: "sensitive-words",
    type: SensitiveWordsSchema,
    temperature: 0.1,
    partUnits: 8_000,
    text: ({ text }) => text,
    instructions: ({ category }) => {
      const asked = category === "all" ? modelCategories : [category];
      return `只找以下几类：\n${asked.map((each) => `- ${categoryNames[each]}`).join("\n")}\n${instructions}`;
    },
    settle: () => [],
    result: (parts, { text, category, customWords }) => {
      const named = parts
        .flatMap(({ written }) => written.sensitiveWords.slice(0, mostOfPart(parts.length)))
        .map(judged)
        .filter(({ word }) => word !== "" && word.length <= longestWord)
        .filter((word) => category === "all" || word.category === category);
      const others = distinct(named);
      const [ofOthers, ofOwn] = [placesOf(others, text), placesOf(customWords.map(custom), text)];
      const isTruncated = ofOthers.length > most || ofOwn.length > most;
      const found = new Set(ofOthers.map(({ word }) => word));
      const matches = matchesAt([...ofOthers.slice(0, most), ...ofOwn.slice(0, most)], text);
      return {
        ...{ matches, isTruncated, summary: summaryOf(matches) },
        droppedWords: isTruncated ? null : others.filter((word) => !found.has(word)).length,
      };
    },
  };

/** As of a caller's own, in UTF-16 units: a longer one is a sentence. */
const longestWord = 100;
const most = 1_000;
/** How much of the text is shown on each side of a match, in code points. */
const contextCharacters = 50;

/** A word, and what is said of it. */
interface JudgedWord extends Pick<Match, "word" | "category" | "level" | "suggestion" | "reason"> {}

function judged({ word, category, level, suggestion, reason }: SensitiveWord): JudgedWord {
  const known = categoryWords.find(([words]) => words.test(category))?.[1] ?? "other";
  const said = levelWords.find(([words]) => words.test(level.trim()))?.[1];
  return {
    ...{ word: word.trim(), category: known, level: said ?? usualLevels[known] },
    ...{ suggestion: suggestion.trim(), reason: reason.trim() },
  };
}

function custom(word: string): JudgedWord {
  return { word, category: "custom", level: usualLevels.custom, suggestion: "", reason: "自定义敏感词" };
}

const categoryWords: readonly (readonly [RegExp, ModelCategory])[] = [
  [/politic|政治/i, "political"],
  [/violen|暴力|血腥|恐怖/i, "violence"],
  [/adult|sex|porn|色情|情色|成人/i, "adult"],
];
const levelWords: readonly (readonly [RegExp, Level])[] = [
  [/^(high|高|高危|严重)$/i, "high"],
  [/^(medium|中|中危|中等)$/i, "medium"],
  [/^(low|低|低危|轻微)$/i, "low"],
];
/** Of words of whose level nothing is said. */
const usualLevels: Readonly<Record<Category, Level>> = {
  political: "high",
  adult: "high",
  violence: "medium",
  custom: "medium",
  other: "low",
};

/** Each word once, as it was judged most severely. */
function distinct(words: readonly JudgedWord[]): JudgedWord[] {
  return [...new Map(words.toSorted(byMildness).map((each) => [folded(each.word).text, each])).values()];
}

function byMildness(one: JudgedWord, other: JudgedWord): number {
  return levels.indexOf(other.level) - levels.indexOf(one.level);
}

interface Place extends Span {
  readonly word: JudgedWord;
}

function placesOf(words: readonly JudgedWord[], text: string): Place[] {
  const found = findWords(
    text,
    words.map(({ word }) => word),
    most + 1,
  );
  return found.flatMap(({ word: index, start, end }) => {
    const word = words[index];
    return word ? [{ word, start, end }] : [];
  });
}

/** What stands at one place is one match: as the severest word has it, of equal ones the last. */
function matchesAt(places: readonly Place[], text: string): Match[] {
  const positionOf = positionsIn(text);
  const severest = new Map(
    places
      .toSorted((one, other) => byMildness(one.word, other.word))
      .map((place) => [`${place.start}-${place.end}`, place] as const),
  );
  const inOrder = [...severest.values()].sort((one, other) => one.start - other.start || one.end - other.end);
  return inOrder.map(({ word: { suggestion, ...word }, start, end }) => {
    const standing = text.slice(start, end);
    return {
      ...word,
      word: standing,
      position: positionOf(start, end),
      context: contextOf(text, start, end),
      suggestion: suggestion || `建议修改或删除敏感词「${standing}」`,
    };
  });
}

function contextOf(text: string, start: number, end: number): string {
  const from = unitsAway(text, start, -contextCharacters);
  const to = unitsAway(text, end, contextCharacters);
  return `${from > 0 ? "..." : ""}${text.slice(from, to)}${to < text.length ? "..." : ""}`;
}

function summaryOf(matches: readonly Match[]): MatchSummary {
  const byCategory = Map.groupBy(matches, ({ category }) => category);
  const of = (level: Level) => matches.filter((match) => match.level === level).length;
  const byLevel = { high: of("high"), medium: of("medium"), low: of("low") };
  return {
    byCategory: Object.fromEntries([...byCategory].map(([category, all]) => [category, all.length])),
    byLevel,
    highRiskCount: byLevel.high,
    mediumRiskCount: byLevel.medium,
    lowRiskCount: byLevel.low,
  };
}
