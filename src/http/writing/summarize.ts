import { charactersIn } from "../../tasks/length.ts";
import { type SummaryWish, summarizeTask } from "../../tasks/summarize.ts";
import { missingField } from "../invalid.ts";
import { enveloped } from "../qingyu/form.ts";
import { originOf } from "../qingyu/options.ts";
import { summarizeRequest } from "./requests.ts";
import { taskCodec } from "./task-codec.ts";

const usualLength = 500;

/** `POST /api/v1/ai/writing/summarize`. */
export const summarize = taskCodec({
  task: summarizeTask,
  body: summarizeRequest,
  said: "summarized",
  decode(body, headers) {
    const text = body.content ?? body.text;
    if (!text?.trim()) throw missingField("content");
    const wish: SummaryWish = {
      text,
      type: body.summaryType ?? "brief",
      maxLength: body.maxLength || usualLength,
      includeQuotes: body.includeQuotes ?? false,
      context: body.contextPrompt ?? undefined,
    };
    const names = { messages: body.content == null ? "text" : "content", model: "options.model" };
    return { wish, asked: originOf(body), names, form: enveloped(headers) };
  },
  data({ summary, keyPoints }, { text }) {
    const [originalLength, summaryLength] = [charactersIn(text), charactersIn(summary)];
    const compressionRate = Math.round((summaryLength / originalLength) * 10_000) / 10_000;
    return { summary, keyPoints, originalLength, summaryLength, compressionRate };
  },
});
