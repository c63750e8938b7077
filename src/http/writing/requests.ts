import * as z from "zod/mini";
import { summaryTypes } from "../../tasks/summarize.ts";

/** What writing tasks are asked for. Keys that are not known are left alone, and null is the same as absent. */

const id = z.nullish(z.string().check(z.maxLength(128)));
const text = z.nullish(z.string());
const model = z.nullish(z.string().check(z.maxLength(256)));
/** In characters. */
const length = z.nullish(z.int().check(z.gte(1), z.lte(50_000)));

const options = z.nullish(
  z.object({
    model,
    temperature: z.nullish(z.number().check(z.gte(0), z.lte(2))),
    maxTokens: z.nullish(z.int().check(z.gte(0))),
    topP: z.nullish(z.number().check(z.gte(0), z.lte(1))),
    stream: z.nullish(z.boolean()),
  }),
);
export type Options = z.infer<typeof options>;

/** The body of `POST /api/v1/ai/writing/continue`, in the names of the platform's clients and of the AI service's. */
export const continueRequest = z.object({
  ...{ projectId: id, chapterId: id, currentText: text, continueLength: length, prompt: text, options },
  ...{ project_id: id, current_text: text, continue_length: length, model },
  context: z.nullish(
    z.object({ genre: text, characters: z.nullish(z.unknown()), setting: text, style: text, plot_summary: text }),
  ),
});

/** The body of `POST /api/v1/ai/writing/summarize`. */
export const summarizeRequest = z.object({
  ...{ projectId: id, chapterId: id, content: text, text, model, options },
  maxLength: length,
  summaryType: z.nullish(z.enum(summaryTypes)),
  includeQuotes: z.nullish(z.boolean()),
  contextPrompt: text,
});
