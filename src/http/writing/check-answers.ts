import * as z from "zod/mini";
import { count, generated, success, unreported } from "../qingyu/answers.ts";

/** What checks of a text are answered with, and what is kept of them. */

const text = z.string();
const id = text.check(z.describe("A UUID."));
const time = text.check(z.describe("RFC 3339, UTC."));
const expiry = z
  .nullable(text)
  .check(
    z.describe("Until when what was found can be asked for by its id; null where there is nothing, or none was kept."),
  );
const told = {
  ...{ tokensUsed: z.nullable(count).check(unreported), model: text, provider: text, usage: generated.usage },
  ...{ processedAt: time, expiresAt: expiry },
};

const Position = z
  .object({
    line: count.check(z.describe("From 1.")),
    column: count.check(z.describe("From 1.")),
    start: count.check(z.describe("From 0.")),
    end: count.check(z.describe("Behind the last.")),
    length: count,
  })
  .check(z.describe("In code points of the text as it was sent, computed from what is quoted."));

const type = z.enum(["spelling", "grammar", "punctuation", "style"]);
const severity = z.enum(["error", "warning", "suggestion"]);
const Suggestion = z.object({
  text,
  confidence: z.number().check(z.describe("From 0 to 1; 0.5 where the model has not said it.")),
  reason: text,
});

export const ProofreadAnswer = z.object({
  ...success,
  data: z.object({
    reviewId: id,
    originalContent: text,
    contentHash: text.check(z.describe("SHA-256 of the text in UTF-8, hexadecimal.")),
    issues: z.array(
      z.object({
        id,
        ...{ type, severity, message: text, position: Position },
        originalText: text.check(z.describe("What stands at the position.")),
        suggestions: z.array(text),
        suggestionDetails: z.array(Suggestion),
        ...{ category: text, rule: text },
      }),
    ),
    droppedIssues: count.check(z.describe("How many issues the model quoted from what does not stand in the text.")),
    previewWarnings: z.array(z.unknown()).check(z.describe("Always empty.")),
    score: z.number().check(z.describe("100, less 5 for each error, 2 for each warning, 0.5 for each suggestion.")),
    statistics: z.object({
      ...{ totalIssues: count, errorCount: count, warningCount: count, suggestionCount: count },
      issuesByType: z.record(text, count),
      wordCount: count.check(
        z.describe("Each Chinese or Japanese character, each word of other scripts, each number; no marks."),
      ),
      characterCount: count.check(z.describe("Code points, white space included.")),
    }),
    ...told,
  }),
});

export const SuggestionAnswer = z.object({
  issueId: id,
  ...{ type, severity, message: text, position: Position, originalText: text },
  suggestions: z.readonly(z.array(Suggestion)),
  ...{ category: text, rule: text, explanation: text },
  examples: z.readonly(z.array(text)).check(z.describe("The words around it as each suggestion would have them.")),
});
export type SuggestionAnswer = z.infer<typeof SuggestionAnswer>;

const Match = z.object({
  id,
  word: text.check(z.describe("What stands at the position.")),
  category: z.enum(["political", "violence", "adult", "other", "custom"]),
  level: z.enum(["high", "medium", "low"]),
  position: Position,
  context: text.check(z.describe("With up to 50 characters on each side.")),
  ...{ suggestion: text, reason: text },
});
const safe = z.boolean().check(z.describe("Whether nothing at all was found."));
const summary = z.object({
  byCategory: z.record(text, count),
  byLevel: z.object({ high: count, medium: count, low: count }),
  ...{ highRiskCount: count, mediumRiskCount: count, lowRiskCount: count },
});

export const SensitiveWordsAnswer = z.object({
  ...success,
  data: z.object({
    checkId: id,
    isSafe: safe,
    totalMatches: count,
    sensitiveWords: z.array(Match),
    isTruncated: z
      .boolean()
      .check(z.describe("Whether more stand in the text: at most 1,000 custom words and as many others are told.")),
    droppedWords: z
      .nullable(count)
      .check(z.describe("How many words the model named that do not stand in the text; null where `isTruncated`.")),
    summary,
    ...told,
  }),
});

/** What is kept of a check for sensitive words. */
export const KeptCheck = z.object({
  ...{ checkId: id, content: text, isSafe: safe },
  matches: z.readonly(z.array(Match)),
  customWords: z.readonly(z.array(text)),
  summary,
});
export type KeptCheck = z.infer<typeof KeptCheck>;

export const CheckAnswer = z.extend(KeptCheck, { createdAt: time, expiresAt: time });
