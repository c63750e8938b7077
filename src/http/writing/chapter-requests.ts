import * as z from "zod/mini";
import { id, model, text } from "../qingyu/fields.ts";

/** What is asked about chapters. Keys that are not known are left alone, and null is the same as absent. */

/** The body of `POST /api/v1/story/analyze-chapter`. */
export const analyzeChapterRequest = z.object({
  ...{ project_id: id, chapter_id: id, model },
  text: text.check(z.describe("The chapter. Required.")),
  existing_entities: z.nullish(
    z
      .array(
        z.object({
          ...{ entity_id: id, entity_type: text, name: text, summary: text, current_state: text },
          aliases: z.nullish(z.array(z.string()).check(z.maxLength(100))),
        }),
      )
      .check(z.maxLength(1_000), z.describe("What the story's world has already; none of them is told as new.")),
  ),
});
export type AnalyzeChapterRequest = z.infer<typeof analyzeChapterRequest>;

/** The body of `POST /api/v1/ai/writing/summarize-chapter`. */
export const summarizeChapterRequest = z.object({
  ...{ projectId: id.check(z.describe("Required.")), chapterId: id.check(z.describe("Required.")), model },
  outlineLevel: z.nullish(z.int()).check(z.describe("How deep the outline may be: 1 to 3, 3 unless told otherwise.")),
  options: z.nullish(z.object({ model })),
});
