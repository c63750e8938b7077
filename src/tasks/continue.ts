import type { GenerationRequest } from "../generation.ts";
import { lengthInWords, samplingFor } from "./length.ts";
import { conversation } from "./material.ts";

export interface ContinueWish {
  /** Blank where there is nothing yet: then the text is begun. */
  readonly text: string;
  /** How long the continuation is to be, in characters. */
  readonly length: number;
  /** What the author asks for beside it. */
  readonly wish?: string;
  readonly context?: Readonly<Partial<Record<keyof typeof contextNames, string>>>;
}

const contextNames = { genre: "体裁", setting: "背景", characters: "人物", style: "文风", plotSummary: "前情提要" };

const instructions = `你是一位小说作者的合作写手。作者给出正文，你接着正文的最后一句往下写。
保持正文的语言、人称、时态、语气和节奏；人物的性格、称呼与已经发生的事不得前后矛盾。
让情节往前走一步：有动作、有对话或有发现，不原地抒情。写到一个自然的停顿为止，句子要完整。
不重复、不概括、不评论正文，不加标题和说明，只输出接续的文字。`;

/** Goes on with a text. */
export function continueTask({ text, length, wish, context = {} }: ContinueWish): GenerationRequest {
  const known = Object.entries(contextNames).map(([key, name]) => {
    const said = context[key as keyof typeof contextNames];
    return [name, said] as const;
  });
  const wanted = text.trim() === "" ? "正文还没有动笔，请写出开头，" : "请接着正文往下写，";
  return {
    messages: conversation(
      instructions,
      { texts: { ...Object.fromEntries(known), 正文: text }, wish },
      `${wanted}${lengthInWords(length)}`,
    ),
    suggested: samplingFor(length, 0.8),
  };
}
