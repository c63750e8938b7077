import * as z from "zod/mini";
import { count, generated, success, unreported } from "../qingyu/answers.ts";

/** What writing tasks are answered with. */

const text = z.string();
const texts = {
  generated_text: z.optional(text),
};

export const TextAnswer = z.object({ ...success, data: z.object({ ...generated, content: text, ...texts }) });

export const BareText = z.object({
  ...generated,
  content: text,
  ...texts,
  quota_remaining: z.nullable(count).check(z.describe("Tokens; null where no limit holds.")),
});

export const SummaryAnswer = z.object({
  ...success,
  data: z.object({
    summary: text,
    keyPoints: z.array(text),
    originalLength: count.check(z.describe("In characters (code points), as all lengths.")),
    summaryLength: count,
    compressionRate: z.number(),
    ...{ tokensUsed: z.nullable(count).check(unreported), model: text, provider: text, usage: generated.usage },
    processedAt: text.check(z.describe("RFC 3339, UTC.")),
  }),
});
