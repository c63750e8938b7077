import * as z from "zod/mini";
import { maxMessages } from "../../generation.ts";
import { rewriteModes } from "../../tasks/rewrite.ts";
import { summaryTypes } from "../../tasks/summarize.ts";
import { continuationFields } from "../qingyu/continuation.ts";
import { id, length, model, options, text } from "../qingyu/fields.ts";

/** What writing tasks are asked for. Keys that are not known are left alone, and null is the same as absent. */

/** The body of `POST /api/v1/ai/writing/continue`, in the names of the platform's clients and of the AI service's. */
export const continueRequest = z.object({
  ...continuationFields,
  ...{ project_id: id, current_text: text, continue_length: length, model },
  context: z
    .nullish(
      z.object({ genre: text, characters: z.nullish(z.unknown()), setting: text, style: text, plot_summary: text }),
    )
    .check(z.describe("What is known beside the text; `characters` a text, or a list of texts or objects.")),
});

/** The body of all routes that rewrite a text, in the names of the platform's clients and of the AI service's. */
export const rewriteRequest = z.object({
  ...{ projectId: id, chapterId: id, instructions: text, options },
  originalText: text.check(z.describe("The text; clients of the AI service call it `text`.")),
  rewriteMode: z
    .nullish(z.enum(rewriteModes))
    .check(z.describe("Where a path does not say it: `polish` unless told, on `/ai/rewrite`.")),
  targetLength: length.check(z.describe("In characters.")),
  ...{ text, project_id: id, model, style: text, direction: text },
  focus_areas: z.nullish(z.array(z.string()).check(z.maxLength(50))),
  expand_ratio: z.nullish(z.number().check(z.gte(0), z.lte(10))),
});
export type RewriteRequest = z.infer<typeof rewriteRequest>;

/** The body of `POST /api/v1/ai/read-assistant`. */
export const readRequest = z.object({
  ...{ question: text, chapterContent: text, bookTitle: text, chapterTitle: text },
  ...{ projectId: id, chapterId: id, model, options },
  conversationHistory: z
    .nullish(
      z
        .array(z.object({ role: z.nullish(z.enum(["user", "assistant", "system"])), content: text }))
        .check(z.maxLength(maxMessages)),
    )
    .check(z.describe("What was said before, oldest first; the question may be the last of it.")),
});

/** The body of `POST /api/v1/ai/writing/summarize`. */
export const summarizeRequest = z.object({
  ...{ projectId: id, chapterId: id, content: text, text, model, options },
  maxLength: length,
  summaryType: z.nullish(z.enum(summaryTypes)),
  includeQuotes: z.nullish(z.boolean()),
  contextPrompt: text,
});
