import type { Config } from "../../config/config.ts";
import type { TaskAnswer } from "../../task.ts";
import { taskRequest, taskResult } from "../../tasks/structured-task.ts";
import { type ChapterWish, summarizeChapterTask } from "../../tasks/summarize-chapter.ts";
import type { Gateway, Upstream } from "../../upstream.ts";
import type { Asked } from "../call.ts";
import { missingField } from "../invalid.ts";
import { requireModel, requireShort } from "../limits.ts";
import { enveloped, type Form, inForm } from "../qingyu/form.ts";
import type { Codec } from "../serve.ts";
import { summarizeChapterRequest } from "./chapter-requests.ts";
import { toldOf } from "./task-codec.ts";

/** A chapter that is wanted in short; its text is not here. */
interface ChapterRequest extends Pick<ChapterWish, "outlineLevel"> {
  readonly projectId: string;
  readonly chapterId: string;
  readonly model?: string;
}

/** What became of it. */
export interface SummarizedChapter {
  readonly answer: TaskAnswer;
  readonly wish: ChapterWish;
  /** As it is kept with the text. */
  readonly title?: string;
}

interface ChapterCall extends Asked<ChapterRequest> {
  readonly form: Form;
}

const deepest = 3;

/** `POST /api/v1/ai/writing/summarize-chapter`. */
export const summarizeChapter = {
  body: summarizeChapterRequest,
  decode({ projectId, chapterId, outlineLevel, options, model }, headers) {
    if (!projectId?.trim()) throw missingField("projectId");
    if (!chapterId?.trim()) throw missingField("chapterId");
    const level = Math.min(deepest, Math.max(1, outlineLevel || deepest));
    return {
      request: {
        ...{ projectId, chapterId, model: options?.model || model || undefined },
        outlineLevel: level === 1 || level === 2 ? level : deepest,
      },
      stream: false,
      names: { model: "options.model" },
      form: enveloped(headers),
    };
  },
  check: ({ model }, { ai }) => requireModel(model, ai.models),
  isImpatient: true,
  whole({ answer, wish, title }: SummarizedChapter, requestId: string, { request, form }: ChapterCall): object {
    const { title: written, ...told } = taskResult(summarizeChapterTask, answer, wish);
    const data = {
      ...{ chapterId: request.chapterId, chapterTitle: title ?? written },
      ...told,
      ...toldOf(answer),
    };
    return inForm(data, form, requestId, "chapterSummarized");
  },
} as const satisfies Codec<typeof summarizeChapterRequest, ChapterRequest, SummarizedChapter, ChapterCall>;

/** Finds a chapter's text, and has it summarized. Throws what either throws. */
export function chapterSummaries(
  { chapterText, task }: Pick<Gateway, "chapterText" | "task">,
  { limits }: Pick<Config, "limits">,
): Upstream<ChapterRequest, SummarizedChapter> {
  return async ({ projectId, chapterId, outlineLevel, model }, call) => {
    const { text, title } = await chapterText({ projectId, documentId: chapterId }, call);
    requireShort(() => [text], limits.promptChars, "chapterId");
    const wish: ChapterWish = { text, outlineLevel };
    const answer = await task(taskRequest(summarizeChapterTask, wish, { projectId, chapterId, model }), call);
    return { answer, wish, title };
  };
}
