import * as z from "zod/mini";
import { count, generated, success, unreported } from "../qingyu/answers.ts";

/** What is answered about chapters. */

const text = z.string();
const evidence = text.check(z.describe("Quoted from the text; empty where what was quoted stands nowhere in it."));

export const ChapterAnalysisAnswer = z.object({
  state_changes: z.array(
    z.object({
      ...{ entity_name: text, field_key: text },
      old_value: z.nullable(text).check(z.describe("Null where nothing tells it.")),
      ...{ new_value: text, evidence },
    }),
  ),
  relation_changes: z.array(
    z.object({
      ...{ from_entity: text, to_entity: text, relation_type: text },
      change_type: text.check(z.describe("new, removed or changed.")),
      evidence,
    }),
  ),
  new_entities: z.array(
    z.object({
      name: text,
      entity_type: text.check(z.describe("character, item, location or organization.")),
      first_mention: text.check(z.describe("The sentence of the text that names it first.")),
      description: z.nullable(text),
    }),
  ),
  events: z.array(
    z.object({
      description: text,
      chapter_position: z
        .nullable(text)
        .check(z.describe("开头, 前段, 中段, 后段 or 结尾, as where the evidence stands; null without any.")),
      ...{ involved_entities: z.array(text), evidence },
    }),
  ),
  usage: z
    .object({
      ...{ prompt_tokens: z.optional(count), completion_tokens: z.optional(count), total_tokens: z.optional(count) },
    })
    .check(z.describe("Whole numbers only; empty where the provider did not report them.")),
});
export type ChapterAnalysisAnswer = z.infer<typeof ChapterAnalysisAnswer>;

const plot = { level: z.int().check(z.gte(1), z.lte(3)), title: text, description: text };
const leaf = z.object({ ...plot, children: z.array(z.never()) });
const branch = z.object({ ...plot, children: z.array(leaf) });
const plotItem = z.object({ ...plot, children: z.array(branch) });

const chapterSummary = z.object({
  ...{ chapterId: text, chapterTitle: text, summary: text, keyPoints: z.array(text), plotOutline: z.array(plotItem) },
  characters: z.array(z.object({ name: text, role: text, appearance: text })),
  ...{ tokensUsed: z.nullable(count).check(unreported), model: text, provider: text, usage: generated.usage },
  processedAt: text.check(z.describe("RFC 3339, UTC.")),
});
export const ChapterSummaryAnswer = z.object({ ...success, data: chapterSummary });
