import type { GenerationRequest } from "../generation.ts";
import { lengthInWords, tokensFor } from "./length.ts";
import { conversation } from "./material.ts";

export interface ContinueWish {
  readonly text: string;
  /** How long the continuation is to be, in characters. */
  readonly length: number;
  /** What the author asks for beside it. */
  readonly wish?: string;
  readonly context?: Readonly<Partial<Record<keyof typeof contextNames, string>>>;
}

const contextNames = { genre: "体裁", characters: "人物", setting: "背景", style: "文风", plotSummary: "前情提要" };

const instructions = `你是一位小说作者的合作写手。作者给出正文，你接着正文的最后一句往下写。
保持正文的语言、人称、时态、语气和节奏；人物的性格、称呼与已经发生的事不得前后矛盾。
不重复、不概括、不评论正文，不加标题和说明，只输出接续的文字。`;

/** Goes on with a text. */
export function continueTask({ text, length, wish, context = {} }: ContinueWish): GenerationRequest {
  const known = Object.entries(contextNames).map(([key, name]) => {
    const said = context[key as keyof typeof contextNames];
    return [name, said] as const;
  });
  return {
    messages: conversation(
      instructions,
      { ...Object.fromEntries(known), 作者的要求: wish, 正文: text },
      `请接着正文往下写。${lengthInWords(length)}`,
    ),
    temperature: 0.8,
    maxTokens: tokensFor(length),
  };
}
