import type { TaskAnswer } from "../../task.ts";
import { type AnalysisWish, analyzeChapterTask } from "../../tasks/analyze-chapter.ts";
import type { KnownEntity } from "../../tasks/entities.ts";
import { taskResult } from "../../tasks/structured-task.ts";
import { missingField } from "../invalid.ts";
import { enveloped } from "../qingyu/form.ts";
import { originOf } from "../qingyu/options.ts";
import type { ChapterAnalysisAnswer } from "./chapter-answers.ts";
import { type AnalyzeChapterRequest, analyzeChapterRequest } from "./chapter-requests.ts";
import { type TaskCall, taskCodec } from "./task-codec.ts";

const codec = taskCodec({
  task: analyzeChapterTask,
  body: analyzeChapterRequest,
  said: "done",
  decode({ text, existing_entities: known, ...body }, headers) {
    if (!text?.trim()) throw missingField("text");
    const wish: AnalysisWish = { text, entities: (known ?? []).flatMap(entityIn) };
    return { wish, asked: originOf(body), names: { messages: "text" }, form: enveloped(headers) };
  },
  data: (result) => result,
});

/**
 * `POST /api/v1/story/analyze-chapter`. The platform's back end reads the answer by types that have no other members and no
 * other values than these, so it is never in the envelope.
 */
export const analyzeChapter = {
  ...codec,
  whole(answer: TaskAnswer, _requestId: string, { wish }: Pick<TaskCall<AnalysisWish>, "wish">): ChapterAnalysisAnswer {
    const { stateChanges, relationChanges, newEntities, events } = taskResult(analyzeChapterTask, answer, wish);
    return {
      state_changes: stateChanges.map(({ entityName, fieldKey, oldValue, newValue, evidence }) => ({
        ...{ entity_name: entityName, field_key: fieldKey },
        ...{ old_value: oldValue || null, new_value: newValue, evidence },
      })),
      relation_changes: relationChanges.map(({ fromEntity, toEntity, relationType, changeType, evidence }) => ({
        ...{ from_entity: fromEntity, to_entity: toEntity, relation_type: relationType },
        ...{ change_type: changeType, evidence },
      })),
      new_entities: newEntities.map(({ name, entityType, firstMention, description }) => ({
        ...{ name, entity_type: entityType, first_mention: firstMention, description: description || null },
      })),
      events: events.map(({ description, chapterPosition, involvedEntities, evidence }) => ({
        ...{ description, chapter_position: chapterPosition ?? null },
        ...{ involved_entities: involvedEntities, evidence },
      })),
      usage: countsIn(answer),
    };
  },
};

type Known = NonNullable<AnalyzeChapterRequest["existing_entities"]>[number];

/** Somebody without a name cannot be told from others. */
function entityIn({ name, entity_type, aliases, summary, current_state }: Known): KnownEntity[] {
  const known = name?.trim();
  if (!known) return [];
  const entity = {
    type: entity_type?.trim() || undefined,
    summary: summary?.trim() || undefined,
    state: current_state?.trim() || undefined,
  };
  const said = Object.fromEntries(Object.entries(entity).filter(([, value]) => value !== undefined));
  return [
    { name: known, aliases: (aliases ?? []).map((alias) => alias.trim()).filter((alias) => alias !== ""), ...said },
  ];
}

/** What is not known is left out: whoever reads it takes whole numbers only. */
function countsIn({ usage }: TaskAnswer): ChapterAnalysisAnswer["usage"] {
  if (!usage) return {};
  const { totalTokens: total_tokens, split } = usage;
  return split
    ? { prompt_tokens: split.promptTokens, completion_tokens: split.completionTokens, total_tokens }
    : { total_tokens };
}
