import { asksProvider, type Description, json, requestBody } from "../docs/description.ts";
import { createdAtMs, model, requestId } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { qingyuSurface } from "../qingyu/surface.ts";
import { analyzeChapter } from "./analyze-chapter.ts";
import { ChapterAnalysisAnswer, ChapterSummaryAnswer } from "./chapter-answers.ts";
import { analyzeChapterRequest, summarizeChapterRequest } from "./chapter-requests.ts";
import { summarizeChapter } from "./summarize-chapter.ts";

const answered = {
  ...{ provider: "openai", model, createdAtMs },
  usage: { totalTokens: 60, split: { promptTokens: 42, completionTokens: 18 } },
};

const chapter = {
  text: "夜雨里，林青羽回到青羽镇，左臂的伤还在渗血。她在客栈门口遇见了沈砚，两人击掌结盟。",
  existing_entities: [{ entity_type: "character", name: "林青羽", aliases: ["小羽"], current_state: "在京城养伤" }],
};
const changes = {
  stateChanges: [
    {
      ...{ entityName: "小羽", fieldKey: "所在地", oldValue: "京城", newValue: "青羽镇" },
      evidence: "夜雨里，林青羽回到青羽镇",
    },
  ],
  relationChanges: [
    {
      ...{ fromEntity: "林青羽", toEntity: "沈砚", relationType: "盟友", changeType: "new" },
      evidence: "两人击掌结盟",
    },
  ],
  newEntities: [{ name: "沈砚", entityType: "character", description: "林青羽的新盟友。" }],
  events: [{ description: "林青羽与沈砚结盟。", involvedEntities: ["林青羽", "沈砚"], evidence: "两人击掌结盟" }],
};

const digest = {
  ...{ chapterTitle: "", summary: "林青羽夜雨归来，与沈砚结盟。", keyPoints: ["归来", "结盟"] },
  plotOutline: [
    {
      ...{ title: "归来", description: "她带伤回到青羽镇。" },
      children: [{ title: "重逢", description: "沈砚在客栈等她。", children: [] }],
    },
  ],
  characters: [{ name: "林青羽", role: "主角", appearance: "左臂带伤" }],
};

/** What the platform's clients ask about chapters. */
export function chaptersDescription(): Description {
  const analysis = analyzeChapter.decode(chapter, new Headers());
  const asked = summarizeChapter.decode({ projectId: "qingyu", chapterId: "12", outlineLevel: 2 }, new Headers());
  return {
    tag: "Qingyu",
    errors: { surface: qingyuSurface, schemaName: "QingyuError" },
    schemas: jsonSchemas({
      AnalyzeChapterRequest: analyzeChapterRequest,
      ChapterAnalysisAnswer,
      SummarizeChapterRequest: summarizeChapterRequest,
      ChapterSummaryAnswer,
    }),
    routes: {
      "POST /api/v1/ai/writing/summarize-chapter": {
        ...asksProvider,
        operationId: "summarizeChapter",
        summary: "Say a chapter in short",
        description:
          "Its text is the platform's (`platform.url`), else what is indexed of it in the project's knowledge base; where neither has it, 404 `document_not_found` says what to index. Members that are not known are left alone, and null is the same as absent.",
        requestBody: requestBody(ref("SummarizeChapterRequest"), {
          chapter: { projectId: "qingyu", chapterId: "12", outlineLevel: 2, options: { model } },
        }),
        answer: json(
          "ChapterSummaryAnswer",
          summarizeChapter.whole(
            {
              answer: { ...answered, parts: [{ start: 0, end: chapter.text.length, written: digest }] },
              wish: { text: chapter.text, outlineLevel: 2 },
              title: "第十二章 夜雨",
            },
            requestId,
            asked,
          ),
        ),
      },
      "POST /api/v1/story/analyze-chapter": {
        ...asksProvider,
        operationId: "analyzeChapter",
        summary: "What a chapter changes in the world of its story",
        description:
          "Members that are not known are left alone, and null is the same as absent. A long chapter is read in parts at the same time, and told as one. Quotes are looked up in the text; new entities are those that the text names and `existing_entities` does not. Answered without the envelope.",
        requestBody: requestBody(ref("AnalyzeChapterRequest"), { chapter }),
        answer: json(
          "ChapterAnalysisAnswer",
          analyzeChapter.whole(
            { ...answered, parts: [{ start: 0, end: chapter.text.length, written: changes }] },
            requestId,
            analysis,
          ),
        ),
      },
    },
  };
}
