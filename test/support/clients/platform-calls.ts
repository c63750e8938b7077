import { dtos } from "./dtos.ts";
import type { GoType } from "./go-json.ts";
import { firstOf } from "./send.ts";

/** A call that the platform's front end or editor makes with a token, and what becomes of its answer. */
export interface PlatformCall {
  readonly name: string;
  readonly path: string;
  readonly body?: object;
  /** What the envelope says of a success. */
  readonly said: string;
  /** What the platform's back end answers as `data`. */
  readonly data: GoType;
  /** What its view makes of the data. */
  readonly view: (data: unknown) => unknown;
  /** What the view must show, where a model says `modelText`, or writes what `written.ts` has. */
  readonly shows: unknown;
  /** Whether a model's text, and no structure, is what is shown. */
  readonly isText?: boolean;
}

export const modelText = "青羽落在窗前，𠮷祥如意。";
export const chapterText = "夜雨落在青石巷。老陈收了船。雨声一阵紧似一阵。他的的心里一阵发慌。";

const project = { projectId: "650000000000000000000001", chapterId: "650000000000000000000002" };
const both = { ...project, project_id: project.projectId, chapter_id: project.chapterId };
const context = { contextPrompt: "主角叫林远。", context_prompt: "主角叫林远。" };
const shown =
  (...names: readonly string[]) =>
  (data: unknown) =>
    firstOf(data, ...names);
const rewritten = ["rewritten_text", "polished_text", "expanded_text", "generated_text"];
const generated = ["generated_text", "expanded_text", "rewritten_text", "polished_text"];
const rewrite = (rewriteMode: string, more: object = {}) => ({
  ...{ projectId: project.projectId, originalText: chapterText, rewriteMode },
  ...more,
});
const text = { shows: modelText, isText: true, said: "操作成功" };

const rewrites: PlatformCall[] = ["polish", "simplify", "formal", "casual", "shorten"].map((mode) => ({
  ...{ ...text, name: `rewrites: ${mode}`, path: "/api/v1/ai/rewrite", body: rewrite(mode) },
  ...{ data: dtos.rewrittenText, view: shown("rewritten_text"), said: "改写成功" },
}));
const workbench: PlatformCall[] = ["polish", "expand", "shorten"].map((mode) => ({
  ...{ ...text, name: `rewrites at the workbench: ${mode}`, path: "/api/v1/ai/writing/rewrite" },
  body: rewrite(mode, { chapterId: project.chapterId, instructions: "简短一些" }),
  ...{ data: dtos.rewritten, view: shown(...rewritten), said: "改写成功" },
}));

const summary = { summary: "夜雨里，林远回到青石巷。", points: ["林远归来", "苏晚认出了他"] };
const summaryShown = (data: unknown) => ({
  summary: firstOf(data, "summary"),
  points: firstOf(data, "keyPoints", "key_points"),
});
const checkTypes = { checkTypes: ["spelling", "grammar", "punctuation"], language: "zh-CN", suggestions: true };
const content = { content: chapterText, text: chapterText };

/** What is shown of a proofreading by the front end, which makes texts of all suggestions. */
function proofread(data: unknown): unknown {
  const issues = firstOf(data, "issues");
  const list: unknown[] = Array.isArray(issues) ? issues : [];
  return list.map((issue) => {
    const suggestions = firstOf(issue, "suggestions");
    return [
      firstOf(issue, "type", "category"),
      firstOf(issue, "severity", "level"),
      firstOf(issue, "message", "description", "issue"),
      ...(Array.isArray(suggestions) ? suggestions.map(String) : []),
    ];
  });
}
const proofreadShown = [
  ["grammar", "suggestion", "此处不通顺", "改一改"],
  ["spelling", "error", "此处不通顺", "改一改"],
];
const auditShown = (data: unknown) => {
  const words = firstOf(data, "sensitiveWords");
  const count = firstOf(data, "totalMatches");
  return [typeof firstOf(data, "isSafe"), count, Array.isArray(words) && words.length];
};

export const platformCalls: readonly PlatformCall[] = [
  {
    ...{ ...text, name: "chats", path: "/api/v1/ai/chat", data: dtos.chat },
    body: { message: "林远是谁？", history: [] },
    view: (data) => String(firstOf(data, "reply", "message")),
  },
  {
    ...{ ...text, name: "chats on", path: "/api/v1/ai/chat", data: dtos.chat },
    body: {
      message: "那么他多大？",
      history: [
        { role: "user", content: "林远是谁？", timestamp: 1_779_000_000_000 },
        { role: "assistant", content: "主角。", timestamp: 1_779_000_000_001 },
      ],
    },
    view: (data) => String(firstOf(data, "reply", "message")),
  },
  {
    ...{ ...text, name: "goes on", path: "/api/v1/ai/generate", data: dtos.generated, said: "续写成功" },
    body: {
      ...{ projectId: project.projectId, currentText: chapterText, continueLength: 200, type: "continue" },
      prompt: `${chapterText}\n\n续写要求：写得短一些`,
    },
    view: shown(...generated),
  },
  {
    ...{
      ...text,
      name: "goes on without a project",
      path: "/api/v1/ai/generate",
      data: dtos.generated,
      said: "续写成功",
    },
    body: { projectId: "", currentText: chapterText, prompt: "接着写", continueLength: 200, type: "continue" },
    view: shown(...generated),
  },
  {
    ...{ ...text, name: "goes on at GO's path", path: "/api/v1/ai/writing/continue", data: dtos.continued },
    body: { ...project, currentText: chapterText, continueLength: 200, options: { temperature: 0.7, maxTokens: 2000 } },
    ...{ view: shown(...generated), said: "续写成功" },
  },
  {
    ...{ ...text, name: "polishes", path: "/api/v1/ai/polish", data: dtos.polishedText, said: "改写成功" },
    body: rewrite("polish", { instructions: "提升文学性和表达力" }),
    view: shown("polished_text"),
  },
  {
    ...{ ...text, name: "expands", path: "/api/v1/ai/expand", data: dtos.expandedText, said: "改写成功" },
    body: rewrite("expand", { instructions: "扩展为更详细的描述", targetLength: 600 }),
    view: shown("expanded_text"),
  },
  ...rewrites,
  ...workbench,
  {
    ...{ name: "sums up", path: "/api/v1/ai/writing/summarize", data: dtos.summary, said: "总结成功" },
    body: { ...content, ...both, summaryType: "detailed", includeQuotes: false },
    ...{ view: summaryShown, shows: summary },
  },
  {
    ...{ name: "sums up with context", path: "/api/v1/ai/writing/summarize", data: dtos.summary, said: "总结成功" },
    body: { ...content, ...context, maxLength: 200, summaryType: "keypoints", includeQuotes: true },
    ...{ view: summaryShown, shows: summary },
  },
  {
    ...{ name: "sums up a chapter", path: "/api/v1/ai/writing/summarize-chapter", data: dtos.chapterSummary },
    ...{ body: { ...project, outlineLevel: 3 }, said: "章节总结成功" },
    ...{ view: summaryShown, shows: { summary: summary.summary, points: ["林远归来"] } },
  },
  {
    ...{ name: "proofreads", path: "/api/v1/ai/writing/proofread", data: dtos.proofreading, said: "校对完成" },
    ...{ body: { ...content, ...both, ...checkTypes }, view: proofread, shows: proofreadShown },
  },
  {
    ...{ name: "proofreads with context", path: "/api/v1/ai/writing/proofread", data: dtos.proofreading },
    body: { ...content, ...context, ...checkTypes, genre: "武侠", readerProfile: "青年", mode: "chapter" },
    ...{ said: "校对完成", view: proofread, shows: proofreadShown },
  },
  {
    ...{ name: "audits", path: "/api/v1/ai/audit/sensitive-words", data: dtos.audit, said: "检测完成" },
    body: { content: chapterText, ...project, category: "all" },
    ...{ view: auditShown, shows: ["boolean", 0, 0] },
  },
  {
    ...{ name: "audits with words", path: "/api/v1/ai/audit/sensitive-words", data: dtos.audit, said: "检测完成" },
    body: { content: chapterText, ...context, category: "all", customWords: ["雨声", "青石巷"] },
    ...{ view: auditShown, shows: ["boolean", 2, 2] },
  },
  {
    ...{ name: "tells a story", path: "/api/v1/ai/story/generate", said: "操作成功" },
    data: {
      fields: {
        ...{ content: "string", tokensUsed: "int", model: "string" },
        contextStats: { fields: { stageTokens: "int", outlineTokens: "int", ragTokens: "int", totalTokens: "int" } },
      },
    },
    body: { projectId: project.projectId, documentId: project.chapterId, mode: "continue", instruction: "紧凑些" },
    ...{ view: shown("content"), shows: modelText },
  },
  {
    ...{ name: "lists models", path: "/api/v1/ai/models?_t=1", data: dtos.models, said: "获取成功" },
    ...{ view: Array.isArray, shows: true },
  },
  {
    ...{ name: "lists providers", path: "/api/v1/ai/providers?_t=1", data: dtos.providers },
    ...{ said: "获取成功", view: Array.isArray, shows: true },
  },
  {
    ...{ name: "reads its quota", path: "/api/v1/ai/quota?_t=1", data: dtos.quota, said: "获取成功" },
    ...{ view: shown("status"), shows: "active" },
  },
  {
    ...{ name: "reads its quotas", path: "/api/v1/ai/quota/all?_t=1", data: dtos.quotas, said: "获取成功" },
    ...{ view: Array.isArray, shows: true },
  },
  {
    ...{ name: "reads what it has used", path: "/api/v1/ai/quota/statistics?_t=1", data: dtos.quotaStatistics },
    ...{ said: "获取成功", view: shown("usedQuota"), shows: 0 },
  },
  {
    ...{ name: "reads what it was used for", path: "/api/v1/ai/quota/transactions?page=1&pageSize=20&_t=1" },
    ...{ data: dtos.transactions, said: "获取成功", view: Array.isArray, shows: true },
  },
];
