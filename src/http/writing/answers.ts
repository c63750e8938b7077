import * as z from "zod/mini";
import { count, generated, success, unreported } from "../qingyu/answers.ts";

/** What writing tasks are answered with. */

const text = z.string();
const texts = {
  generated_text: text.check(z.describe("The same as `content`, as the names below.")),
  rewritten_text: z.optional(text),
  expanded_text: z.optional(text),
  polished_text: z.optional(text),
  changes: z.optional(z.array(z.unknown())).check(z.describe("Empty: what was changed is not told.")),
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

export const ReadEvent = z.object({
  content: text.check(z.describe("What has come since the last event, as under the other names.")),
  delta: text,
  text,
});
export type ReadEvent = z.infer<typeof ReadEvent>;
