import { create } from "@bufbuild/protobuf";
import {
  type OutlineData,
  OutlineDataSchema,
  type OutlineRequest,
  type OutlineResponse,
  OutlineResponseSchema,
} from "../gen/qingyu/ai/ai_service_pb.ts";
import type { Author } from "./author.ts";
import { chapterNumbers, known, missing, shared } from "./rules.ts";
import { structureAuthor } from "./structure.ts";

/** The outline of a novel. */
export const outlineAuthor: Author<OutlineRequest, OutlineResponse> = structureAuthor({
  type: OutlineDataSchema,
  instructions:
    "You plan novels. Write the outline of the novel that the author wants, in the language of the author's task. Chapters are numbered from 1 (chapterId); storyArc names them by their numbers.",
  settle: settleOutline,
  answer: (outline, executionTime) => create(OutlineResponseSchema, { outline, executionTime }),
});

/** A title, and numbered chapters with title and summary. Of the arc, chapters that do not exist are dropped. */
function settleOutline(outline: OutlineData): string[] {
  const { chapters, storyArc } = outline;
  // A single one without a number is a hole.
  if (chapters.every(({ chapterId }) => chapterId === 0)) {
    for (const [index, chapter] of chapters.entries()) chapter.chapterId = index + 1;
  }
  const numbers = chapterNumbers(outline);
  if (storyArc) {
    storyArc.setup = known(storyArc.setup, numbers);
    storyArc.risingAction = known(storyArc.risingAction, numbers);
    storyArc.climax = known(storyArc.climax, numbers);
    storyArc.fallingAction = known(storyArc.fallingAction, numbers);
    storyArc.resolution = known(storyArc.resolution, numbers);
  }
  return [
    ...missing({ title: outline.title, chapters }),
    ...chapters.flatMap(({ title, summary }, index) => missing({ title, summary }, `chapters[${index}].`)),
    ...shared(
      "chapters",
      "a chapterId",
      chapters.map(({ chapterId }) => chapterId),
    ),
    ...(chapters.some(({ chapterId }) => chapterId < 1) ? ["chapters: each chapterId must be at least 1"] : []),
  ];
}
