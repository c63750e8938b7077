import { create, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import {
  type ContextResponseSchema,
  type RAGFilters,
  type RAGQueryResponseSchema,
  WorkspaceContextSchema,
} from "../src/gen/qingyu/ai/ai_service_pb.ts";
import documents from "./demo-project.json" with { type: "json" };
import { estimateTokens } from "./embedded-story.ts";
import { embed } from "./embedded-writer.ts";

/** The one project of which the stand-in knows something: `demo-project.json`, in the form that the Python service indexes. */
export const demoProjectId = "demo-project";

type Document = (typeof documents)[number];

const usualResults = 5;
const dimension = 256;
const [chapters, characters, nodes] = ["chapter", "character", "outline"].map((type) =>
  documents.filter(({ doc_type }) => doc_type === type),
);

interface Query {
  readonly projectId: string;
  readonly query: string;
  readonly topK: number;
  readonly filters?: RAGFilters;
}

/** The documents of a project that fit the filters, the likest to the query first. */
export function knownOf({ projectId, query, topK, filters }: Query): MessageInitShape<typeof RAGQueryResponseSchema> {
  if (projectId !== demoProjectId) return {};
  const wanted = embed(query, dimension);
  const results = documents
    .filter((document) => fits(document, filters))
    .map((document) => ({
      id: `${document.doc_type}:${document.id}:0`,
      content: document.text,
      score: likeness(wanted, embed(`${document.title}\n${document.text}`, dimension)),
      docType: document.doc_type,
      metadata: {
        ...{ document_id: document.id, title: document.title, order: String(document.order), passage: "0" },
        ...(document.chapter_id !== undefined && { chapter_id: document.chapter_id }),
      },
    }))
    .sort((one, other) => other.score - one.score)
    .slice(0, topK || usualResults);
  return { results, total: results.length };
}

/** What is to be known of a project before one of its chapters, or a new one, is written. */
export function contextOf(
  projectId: string,
  chapterId: string,
  taskType: string,
): MessageInitShape<typeof ContextResponseSchema> {
  if (projectId !== demoProjectId) return { taskType, context: {} };
  const here = chapters?.find(({ id }) => id === chapterId)?.order ?? Number.POSITIVE_INFINITY;
  const isReview = taskType === "review_content";
  const context = create(WorkspaceContextSchema, {
    previousChapters: chapters
      ?.filter(({ order }) => (isReview ? order <= here : order < here))
      .map(({ id, title, text, order }) => ({ id, title, summary: text, order })),
    activeCharacters: characters?.map(({ id, title, text, alias, traits, background }) => ({
      ...{ id, name: title, summary: text, alias, traits, background },
    })),
    outlineNodes: nodes?.map(({ id, title, text, level }) => ({ id, title, description: text, level })),
  });
  return { taskType, context, tokenCount: estimateTokens(toJsonString(WorkspaceContextSchema, context)) };
}

function fits(document: Document, filters: RAGFilters | undefined): boolean {
  const { docTypes = [], chapterIds = [], characterIds = [], timelineIds = [] } = filters ?? {};
  const own = (type: string) => (document.doc_type === type ? [document.id] : []);
  const labels = [
    [docTypes, [document.doc_type]],
    [chapterIds, document.chapter_id ? [document.chapter_id] : own("chapter")],
    [characterIds, [...(document.character_ids ?? []), ...own("character")]],
    [timelineIds, []],
  ] as const;
  return labels.every(([wanted, has]) => wanted.length === 0 || has.some((label) => wanted.includes(label)));
}

/** Of two unit vectors. */
function likeness(one: readonly number[], other: readonly number[]): number {
  return one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0);
}
