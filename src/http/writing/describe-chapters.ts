import { asksProvider, type Description, json, requestBody, tolerant } from "../docs/description.ts";
import { model, requestId, written } from "../docs/examples.ts";
import { jsonSchemas, ref } from "../docs/schemas.ts";
import { analyzeChapter } from "./analyze-chapter.ts";
import { ChapterAnalysisAnswer, ChapterSummaryAnswer } from "./chapter-answers.ts";
import { analyzeChapterRequest, summarizeChapterRequest } from "./chapter-requests.ts";
import { summarizeChapter } from "./summarize-chapter.ts";

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

export const chapterSchemas = jsonSchemas({
  AnalyzeChapterRequest: analyzeChapterRequest,
  ChapterAnalysisAnswer,
  SummarizeChapterRequest: summarizeChapterRequest,
  ChapterSummaryAnswer,
});

/** What is asked about chapters. */
export function chapterPaths(): Description["routes"] {
  const { text } = chapter;
  const asked = summarizeChapter.decode({ projectId: "qingyu", chapterId: "12", outlineLevel: 2 }, new Headers());
  const wish = { text, outlineLevel: 2 } as const;
  const summarized = { answer: written(text, digest), wish, title: "第十二章 夜雨" };
  const analysis = analyzeChapter.decode(chapter, new Headers());
  return {
    "POST /api/v1/ai/writing/summarize-chapter": {
      ...asksProvider,
      operationId: "summarizeChapter",
      summary: "Say a chapter in short",
      description: `Its text is the platform's (\`platform.url\`), else what is indexed of it in the project's knowledge base; where neither has it, 404 \`document_not_found\` says what to index. ${tolerant}`,
      requestBody: requestBody(ref("SummarizeChapterRequest"), {
        chapter: { projectId: "qingyu", chapterId: "12", outlineLevel: 2, options: { model } },
      }),
      answer: json("ChapterSummaryAnswer", summarizeChapter.whole(summarized, requestId, asked)),
    },
    "POST /api/v1/story/analyze-chapter": {
      ...asksProvider,
      operationId: "analyzeChapter",
      summary: "What a chapter changes in the world of its story",
      description: `${tolerant} A long chapter is read in parts at the same time, and told as one. Quotes are looked up in the text; new entities are those that the text names and \`existing_entities\` does not. Answered without the envelope.`,
      requestBody: requestBody(ref("AnalyzeChapterRequest"), { chapter }),
      answer: json("ChapterAnalysisAnswer", analyzeChapter.whole(written(text, changes), requestId, analysis)),
    },
  };
}
