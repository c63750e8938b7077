import { create } from "@bufbuild/protobuf";
import {
  type PlotData,
  PlotDataSchema,
  type PlotRequest,
  type PlotResponse,
  PlotResponseSchema,
} from "../gen/qingyu/ai/ai_service_pb.ts";
import type { Author } from "./author.ts";
import { chapterNumbers, missing, shared } from "./rules.ts";
import { structureAuthor } from "./structure.ts";

/** The plot of a novel. */
export const plotAuthor: Author<PlotRequest, PlotResponse> = structureAuthor({
  type: PlotDataSchema,
  instructions:
    "You build the plots of novels. Write the plot for the author's outline and characters, in the language of the author's task. Each event has an eventId of its own, by which threads and conflicts refer to it; chapterId is a chapter's number. eventType is one of 铺垫, 冲突, 发展, 转折, 高潮, 结局; a conflict's type one of 人物冲突, 内心冲突, 环境冲突; a thread's type one of main, subplot.",
  settle: (plot, { outline }) => settlePlot(plot, chapterNumbers(outline)),
  answer: (plot, executionTime) => create(PlotResponseSchema, { plot, executionTime }),
});

/** At least one event, each with an id of its own and a title. Chapters and events that do not exist are dropped. */
function settlePlot({ timelineEvents, plotThreads, conflicts }: PlotData, numbers: ReadonlySet<number>): string[] {
  if (timelineEvents.every(({ eventId }) => eventId === "")) {
    for (const [index, event] of timelineEvents.entries()) event.eventId = `event-${index + 1}`;
  }
  for (const event of timelineEvents) if (numbers.size > 0 && !numbers.has(event.chapterId)) event.chapterId = 0;
  // An event that is named by its title is named by its id.
  const ids = new Map(timelineEvents.filter(({ title }) => title !== "").map(({ title, eventId }) => [title, eventId]));
  for (const { eventId } of timelineEvents) ids.set(eventId, eventId);
  const resolved = (names: readonly string[]) => names.flatMap((name) => ids.get(name) ?? []);
  for (const thread of plotThreads) thread.events = resolved(thread.events);
  for (const conflict of conflicts) conflict.escalationEvents = resolved(conflict.escalationEvents);
  return [
    ...missing({ timelineEvents }),
    ...shared(
      "timelineEvents",
      "an eventId",
      timelineEvents.map(({ eventId }) => eventId),
    ),
    ...timelineEvents.flatMap(({ eventId, title }, index) => missing({ eventId, title }, `timelineEvents[${index}].`)),
  ];
}
