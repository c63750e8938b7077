import type { Said } from "../chat.ts";
import type { Message } from "../generation.ts";
import { promptTokensAbout } from "../token-count.ts";
import { aboutMaterial, tagged } from "./material.ts";

export interface ChatWish {
  readonly message: string;
  /** What was said before. */
  readonly history: readonly Said[];
  /** What is known of the author's work, the most important first. */
  readonly knowledge: readonly string[];
  /** How many tokens a model's context has, where that is known. */
  readonly contextTokens?: number;
  /** How many of them the answer may take. */
  readonly answerTokens: number;
}

/** Longer ago than so many tokens is not called to mind, however much a context holds. */
const historyTokens = 12_000;
/** Neither does more of what is known, in tokens. */
const knowledgeTokens = 3_000;

const instructions = `你是小说作者的写作搭档，用对话的方式和他讨论作品：构思、人物、情节、设定、文笔，以及他问到的其他事情。
回答他最后一条消息。语言与他一致；前面说过的话要记得，不重复，不改口。
他要文字，就给能直接用的文字；他要意见，就说清楚问题在哪里、为什么、怎么改。
不知道的就说不知道，不替他的作品编造设定。`;

const ofKnowledge = "标签“作品资料”里是从他的作品中查到的片段，与问题有关时以它为准，无关时不必提起。";

/** What a model is told to answer a message of a talk: the latest that was said, as far as there is room, oldest first. */
export function chatTask({ message, history, knowledge, contextTokens, answerTokens }: ChatWish): Message[] {
  const known = firstWithin(knowledge, knowledgeTokens).join("\n\n");
  const system = known === "" ? instructions : `${instructions}\n${ofKnowledge}\n${aboutMaterial}`;
  const asked = known === "" ? message : `${tagged("作品资料", known)}\n\n${message}`;
  const room = (contextTokens ?? Number.POSITIVE_INFINITY) - promptTokensAbout([system, asked], 2) - answerTokens;
  const said = latestWithin(turnsOf(history), Math.min(historyTokens, room));
  return [{ role: "system", content: system }, ...said, { role: "user", content: asked }];
}

/** What belongs together: what was asked, with all that was answered. */
function turnsOf(history: readonly Said[]): Said[][] {
  const turns: Said[][] = [];
  for (const said of history) {
    const turn = turns.at(-1);
    if (turn && said.role !== "user") turn.push(said);
    else turns.push([said]);
  }
  return turns;
}

function latestWithin(turns: readonly Said[][], tokens: number): Said[] {
  let left = tokens;
  let first = turns.length;
  for (; first > 0; first--) {
    const turn = turns[first - 1] ?? [];
    left -= tokensIn(turn.map(({ content }) => content));
    if (left < 0) break;
  }
  return turns.slice(first).flat();
}

function firstWithin(texts: readonly string[], tokens: number): string[] {
  let left = tokens;
  return texts.filter((text) => {
    left -= tokensIn([text]);
    return left >= 0;
  });
}

const tokensIn = (texts: readonly string[]) => promptTokensAbout(texts, texts.length);
