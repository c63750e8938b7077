import * as z from "zod/mini";
import { issueTypes, severities } from "../../tasks/proofread.ts";
import { categories, levels } from "../../tasks/sensitive-words.ts";

/** What is kept of checks, as it is told by its id: read again, since another version may have written it. */

const text = z.string();
const count = z.int().check(z.nonnegative());

export const id = text.check(z.describe("A UUID."));

export const Position = z
  .object({
    line: count.check(z.describe("From 1.")),
    column: count.check(z.describe("From 1.")),
    start: count.check(z.describe("From 0.")),
    end: count.check(z.describe("Behind the last.")),
    length: count,
  })
  .check(z.describe("In code points of the text as it was sent, computed from what is quoted."));

export const type = z.enum(issueTypes);
export const severity = z.enum(severities);
export const Suggestion = z.object({
  text,
  confidence: z.number().check(z.describe("From 0 to 1; 0.5 where the model has not said it.")),
  reason: text,
});

/** What to write in the place of an issue. */
export const SuggestionAnswer = z.object({
  issueId: id,
  ...{ type, severity, message: text, position: Position, originalText: text },
  suggestions: z.readonly(z.array(Suggestion)),
  ...{ category: text, rule: text, explanation: text },
  examples: z.readonly(z.array(text)).check(z.describe("The words around it as each suggestion would have them.")),
});
export type SuggestionAnswer = z.infer<typeof SuggestionAnswer>;

export const Match = z.object({
  id,
  word: text.check(z.describe("What stands at the position.")),
  category: z.enum(categories),
  level: z.enum(levels),
  position: Position,
  context: text.check(z.describe("With up to 50 characters on each side.")),
  ...{ suggestion: text, reason: text },
});

/** A check for sensitive words. */
export const KeptCheck = z.object({
  checkId: id,
  content: text,
  isSafe: z.boolean().check(z.describe("Whether nothing at all was found.")),
  matches: z.readonly(z.array(Match)),
  customWords: z.readonly(z.array(text)),
  summary: z.object({
    byCategory: z.record(text, count),
    byLevel: z.object({ high: count, medium: count, low: count }),
    ...{ highRiskCount: count, mediumRiskCount: count, lowRiskCount: count },
  }),
});
export type KeptCheck = z.infer<typeof KeptCheck>;
