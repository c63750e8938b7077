import type { Said } from "../chat.ts";
import type { GenerationRequest } from "../generation.ts";
import { endOf } from "../pieces.ts";
import { charactersIn, samplingFor } from "./length.ts";
import { conversation } from "./material.ts";
import { partsOf } from "./parts.ts";

export interface ReadingWish {
  readonly question: string;
  readonly chapter?: string;
  readonly bookTitle?: string;
  readonly chapterTitle?: string;
  /** What was said before, oldest first. The question may be the last of it. */
  readonly history: readonly Said[];
}

const instructions = `你陪读者读一本书，回答他对正在读的这一章的问题。
只依据给出的章节回答，需要时点明是哪一处；章节里没有写的就直说没有写，不编造，也不透露后面可能的情节。
先给答案，再给理由，三五句话为宜；用提问的语言回答。`;

/** What is shown of a chapter, in UTF-16 units: more than any chapter of a serial novel has. */
const mostChapterUnits = 30_000;
/** What is shown of what was said before: so many turns, and so many UTF-16 units in all. */
const [mostTurns, mostHistoryUnits] = [20, 12_000];
/** How long an answer may become, in characters. */
const usualLength = 800;

/** Answers a reader's question from the chapter that he reads. */
export function readAssistantTask({
  question,
  chapter = "",
  bookTitle,
  chapterTitle,
  history,
}: ReadingWish): GenerationRequest {
  const { shown, note } = excerpt(chapter.trim());
  const texts = { 书名: bookTitle, 章节名: chapterTitle, 章节: shown };
  const messages = conversation(instructions, { texts }, note);
  const asked: Said = { role: "user", content: `读者问：${question.trim()}` };
  return {
    messages: inTurns([...messages, ...past(history, question), asked]),
    suggested: samplingFor(usualLength, 0.4),
  };
}

/** A chapter, or its beginning and its end where it is too long, and what is to be known of that. */
function excerpt(chapter: string): { readonly shown: string; readonly note: string } {
  if (chapter === "") return { shown: "", note: "没有章节的正文可看。" };
  if (chapter.length <= mostChapterUnits) return { shown: chapter, note: "以上是读者正在读的章节。" };
  const beginning = partsOf(chapter, mostChapterUnits / 2)[0]?.text ?? "";
  const end = endOf(chapter, mostChapterUnits / 2);
  const left = charactersIn(chapter) - charactersIn(beginning) - charactersIn(end);
  return {
    shown: `${beginning}\n〔此处略去${left}字〕\n${end}`,
    note: `以上是读者正在读的章节，太长，中间略去了${left}字；问到略去的部分时，说明你没有看到。`,
  };
}

/** What was said before the question: the newest of it, as much as is shown. */
function past(history: readonly Said[], question: string): Said[] {
  const last = history.at(-1);
  const isAsked = last?.role === "user" && last.content.trim() === question.trim();
  const turns = (isAsked ? history.slice(0, -1) : history).filter(({ content }) => content.trim() !== "");
  const shown: Said[] = [];
  let units = 0;
  for (const turn of turns.slice(-mostTurns).toReversed()) {
    units += turn.content.length;
    if (units > mostHistoryUnits) break;
    shown.unshift({ role: turn.role, content: turn.content });
  }
  return shown;
}

/** Messages of one role in a row as one: some models take turns only. */
function inTurns(messages: readonly Said[]): Said[] {
  const turns: Said[] = [];
  for (const { role, content } of messages) {
    const last = turns.at(-1);
    if (last?.role === role) turns[turns.length - 1] = { role, content: `${last.content}\n\n${content}` };
    else turns.push({ role, content });
  }
  return turns;
}
