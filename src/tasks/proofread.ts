import { ProofreadingSchema, type TextIssue, type TextSuggestion } from "../gen/qingyu/writing/structures_pb.ts";
import { charactersIn } from "./length.ts";
import { mostOfPart } from "./parts.ts";
import { type Position, positionsIn, type Span, unitsAway } from "./positions.ts";
import { quotesIn } from "./quotes.ts";
import type { StructuredTask } from "./structured-task.ts";
import { wordsIn } from "./word-count.ts";

export const issueTypes = ["spelling", "grammar", "punctuation", "style"] as const;
export type IssueType = (typeof issueTypes)[number];
export const severities = ["error", "warning", "suggestion"] as const;
type Severity = (typeof severities)[number];

export type ProofreadWish = {
  readonly text: string;
  /** What is looked for; nothing else is told. */
  readonly types: readonly IssueType[];
  readonly language: string;
  /** Whether it is wanted what to write instead. */
  readonly suggestions: boolean;
  /** What is known beside the text, by the names under which a model is shown it. */
  readonly known: Readonly<Record<string, string>>;
};

interface Suggestion {
  readonly text: string;
  /** From 0 to 1. */
  readonly confidence: number;
  readonly reason: string;
}

interface Issue {
  readonly type: IssueType;
  readonly severity: Severity;
  readonly message: string;
  readonly position: Position;
  /** What stands there. */
  readonly originalText: string;
  readonly suggestions: readonly Suggestion[];
  readonly category: string;
  readonly rule: string;
  readonly explanation: string;
  /** Its surroundings as each suggestion would have them. */
  readonly examples: readonly string[];
}

export interface ProofreadResult {
  /** In the order of the text. */
  readonly issues: readonly Issue[];
  /** How many quote what does not stand in the text. */
  readonly droppedIssues: number;
  /** From 0 to 100. */
  readonly score: number;
  readonly statistics: Statistics;
}

interface Statistics {
  readonly totalIssues: number;
  readonly errorCount: number;
  readonly warningCount: number;
  readonly suggestionCount: number;
  readonly issuesByType: Readonly<Partial<Record<IssueType, number>>>;
  readonly wordCount: number;
  readonly characterCount: number;
}

const typeNames: Readonly<Record<IssueType, string>> = {
  spelling: "错别字（spelling）：错字、别字、多字、漏字、错写的词",
  grammar: "语法（grammar）：病句、搭配不当、成分残缺或多余、语序不当",
  punctuation: "标点（punctuation）：误用、缺失、多余、全角与半角混用",
  style: "文风（style）：啰嗦、重复、歧义、拗口、难读",
};

const instructions = `你是小说的校对编辑，在原文里挑出确有问题的地方。
originalText 逐字照抄有问题的那几个字，标点和全角半角都不改，尽量短。
context 逐字照抄包含它的一小段原文，前后各带十来个字，让人能认出是哪一处。
type 用上面的英文词；severity 用 error（必须改）、warning（应当改）或 suggestion（可改可不改）。
message 用一句话说清问题；explanation 说明理由；category 是问题的小类；rule 是依据的规则，没有就留空。
人名、地名、方言、网络用语和人物有意的口吻不算错；拿不准的不报；同一处的同一个问题只报一次；没有问题就给空数组。`;

/** What is wrong in a text. */
export const proofreadTask: StructuredTask<ProofreadWish, typeof ProofreadingSchema, ProofreadResult> = {
  name: "proofread",
  type: ProofreadingSchema,
  temperature: 0.1,
  partUnits: 3_000,
  text: ({ text }) => text,
  instructions: ({ types, language, suggestions }) =>
    [
      `只检查以下几类问题：\n${types.map((type) => `- ${typeNames[type]}`).join("\n")}`,
      instructions,
      suggestions
        ? "suggestions 给出一到三个可以直接替换 originalText 的写法，text 是替换后的文字，reason 是理由，confidence 是 0 到 1 的把握。"
        : "不要修改意见：suggestions 一律给空数组。",
      `原文的语言是 ${language}；message、explanation 和 reason 用同一种语言写。`,
    ].join("\n"),
  material: ({ known }) => known,
  settle: () => [],
  result: (parts, { text, types, suggestions }) => {
    const positionOf = positionsIn(text);
    const issues: Issue[] = [];
    let droppedIssues = 0;
    for (const { start, end, written } of parts) {
      const find = quotesIn(text.slice(start, end));
      for (const issue of written.issues.slice(0, mostOfPart(parts.length))) {
        const type = typeOf(issue);
        if (!types.includes(type)) continue;
        const span = find({ text: issue.originalText, context: issue.context, about: type });
        if (span === undefined) droppedIssues++;
        if (span === undefined || span === "taken") continue;
        const at = { start: start + span.start, end: start + span.end };
        issues.push(issueAt(text, at, { issue, type, position: positionOf(at.start, at.end), suggestions }));
      }
    }
    issues.sort((one, other) => one.position.start - other.position.start);
    const statistics = statisticsOf(issues, text);
    return { issues, droppedIssues, score: scoreOf(statistics), statistics };
  },
};

const mostSuggestions = 5;
/** How sure a model is that has not said it. */
const unsaidConfidence = 0.5;
/** How much of an issue's line an example shows on each side, in code points. */
const exampleCharacters = 20;

interface Placed {
  readonly issue: TextIssue;
  readonly type: IssueType;
  readonly position: Position;
  readonly suggestions: boolean;
}

function issueAt(text: string, { start, end }: Span, { issue, type, position, suggestions: areWanted }: Placed): Issue {
  const originalText = text.slice(start, end);
  const [explanation, rule] = [issue.explanation.trim(), issue.rule.trim()];
  const message = [issue.message.trim(), explanation, rule].find((said) => said !== "") ?? shortNames[type];
  const suggestions = areWanted ? suggestionsFor(originalText, issue.suggestions, message) : [];
  const before = text.slice(unitsAway(text, start, -exampleCharacters, true), start);
  const after = text.slice(end, unitsAway(text, end, exampleCharacters, true));
  return {
    ...{ type, severity: severityOf(issue.severity), message, position, originalText, suggestions },
    ...{ category: issue.category.trim() || shortNames[type], rule, explanation: explanation || message },
    examples: suggestions.map((suggestion) => `${before}${suggestion.text}${after}`),
  };
}

const shortNames: Readonly<Record<IssueType, string>> = {
  spelling: "错别字",
  grammar: "语法",
  punctuation: "标点",
  style: "文风",
};

/** Those that would change something, each once. */
function suggestionsFor(original: string, written: readonly TextSuggestion[], message: string): Suggestion[] {
  const byText = new Map<string, Suggestion>();
  for (const { text: said, reason, confidence } of written) {
    const text = said.trim();
    if (text === "" || text === original || byText.has(text) || byText.size === mostSuggestions) continue;
    byText.set(text, { text, confidence: confidenceOf(confidence), reason: reason.trim() || message });
  }
  return [...byText.values()];
}

/** Some say it in percent. */
function confidenceOf(said: number | undefined): number {
  if (said === undefined || !(said >= 0 && said <= 100)) return unsaidConfidence;
  return Math.round((said > 1 ? said / 100 : said) * 100) / 100;
}

const typeWords: readonly (readonly [RegExp, IssueType])[] = [
  [/spell|typo|错字|别字|错别|漏字|多字|用字/i, "spelling"],
  [/grammar|syntax|语法|病句|搭配|语序/i, "grammar"],
  [/punctuat|标点/i, "punctuation"],
];

/** What models and clients call it; all that is nothing else is a matter of style. */
function typeOf({ type, category }: TextIssue): IssueType {
  const said = type.trim() || category;
  return typeWords.find(([words]) => words.test(said))?.[1] ?? "style";
}

function severityOf(said: string): Severity {
  if (/^(error|high|critical|严重|错误)$/i.test(said.trim())) return "error";
  if (/^(warning|warn|medium|中等|警告)$/i.test(said.trim())) return "warning";
  return "suggestion";
}

function statisticsOf(issues: readonly Issue[], text: string): Statistics {
  const of = (severity: Severity) => issues.filter((issue) => issue.severity === severity).length;
  const byType = Map.groupBy(issues, ({ type }) => type);
  return {
    totalIssues: issues.length,
    errorCount: of("error"),
    warningCount: of("warning"),
    suggestionCount: of("suggestion"),
    issuesByType: Object.fromEntries([...byType].map(([type, all]) => [type, all.length])),
    wordCount: wordsIn(text),
    characterCount: charactersIn(text),
  };
}

/** What each issue takes from a perfect text. */
function scoreOf({ errorCount, warningCount, suggestionCount }: Statistics): number {
  return Math.max(0, 100 - 5 * errorCount - 2 * warningCount - 0.5 * suggestionCount);
}
