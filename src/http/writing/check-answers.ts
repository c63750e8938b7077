import * as z from "zod/mini";
import { count, generated, success, unreported } from "../qingyu/answers.ts";
import { id, KeptCheck, Match, Position, Suggestion, severity, type } from "./kept-checks.ts";

/** What checks of a text are answered with. */

const text = z.string();
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

export const SensitiveWordsAnswer = z.object({
  ...success,
  data: z.object({
    checkId: id,
    isSafe: KeptCheck.shape.isSafe,
    totalMatches: count,
    sensitiveWords: z.array(Match),
    isTruncated: z
      .boolean()
      .check(z.describe("Whether more stand in the text: at most 1,000 custom words and as many others are told.")),
    droppedWords: z
      .nullable(count)
      .check(z.describe("How many words the model named that do not stand in the text; null where `isTruncated`.")),
    summary: KeptCheck.shape.summary,
    ...told,
  }),
});

export const CheckAnswer = z.extend(KeptCheck, { createdAt: time, expiresAt: time });
