import * as z from "zod/mini";
import { issueTypes } from "../../tasks/proofread.ts";
import { modelCategories } from "../../tasks/sensitive-words.ts";
import { missingField } from "../invalid.ts";
import { id, model, text } from "../qingyu/fields.ts";
import { enveloped } from "../qingyu/form.ts";
import { originOf } from "../qingyu/options.ts";

/** What checks of a text are asked for. Keys that are not known are left alone, and null is the same as absent. */

const asked = {
  ...{ content: text, text, projectId: id, project_id: id, chapterId: id, chapter_id: id },
  ...{ model, options: z.nullish(z.object({ model })) },
};

/** What clients call what is looked for; two of them mean the same as another one. */
export const checkTypes = [...issueTypes, "typo", "readability"] as const;

/** The body of `POST /api/v1/ai/writing/proofread`. */
export const proofreadRequest = z.object({
  ...asked,
  checkTypes: z.nullish(z.array(z.enum(checkTypes)).check(z.maxLength(20))),
  language: z.nullish(z.string().check(z.maxLength(32))),
  suggestions: z.nullish(z.boolean()),
  ...{
    contextPrompt: text,
    context_prompt: text,
    genre: z.nullish(z.string().check(z.maxLength(256))),
    readerProfile: text,
  },
});

/** The body of `POST /api/v1/ai/audit/sensitive-words`. */
export const sensitiveWordsRequest = z.object({
  ...asked,
  customWords: z.nullish(
    z
      .array(z.string().check(z.maxLength(100)))
      .check(z.maxLength(1_000), z.describe("Found without a model, whatever their width and case are.")),
  ),
  category: z.nullish(z.enum(["all", ...modelCategories])),
});

/**
 * The text that is to be checked, by either of its names, what it belongs to, and how its sender reads the answer: in the
 * envelope, since these paths have no other form. Throws 400 where there is no text.
 */
export function checkOf(body: Pick<z.infer<typeof proofreadRequest>, keyof typeof asked>, headers: Headers) {
  const isContent = body.content?.trim() !== "" && body.content != null;
  const text = isContent ? body.content : body.text;
  if (!text?.trim()) throw missingField("content");
  const names = { messages: isContent ? "content" : "text", model: body.options?.model ? "options.model" : "model" };
  return { text, asked: originOf(body), names, form: enveloped(headers) };
}
