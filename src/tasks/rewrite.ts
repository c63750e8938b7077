import type { GenerationRequest } from "../generation.ts";
import { charactersIn, lengthInWords, lengthWithin, samplingFor } from "./length.ts";
import { conversation } from "./material.ts";

export const rewriteModes = ["expand", "shorten", "polish", "simplify", "formal", "casual"] as const;
export type RewriteMode = (typeof rewriteModes)[number];

export interface RewriteWish {
  readonly text: string;
  readonly mode: RewriteMode;
  /** What the author asks for beside it. */
  readonly wish?: string;
  /** How long the outcome is to be, in characters, where the author has said it. */
  readonly length?: number;
}

const instructions = `你是小说编辑，按作者指定的方式改写他的原文。
不改动人称、时态、人名、情节和事件的先后，不替作者增添立场；原文分段的地方仍然分段。
从头改到尾，不遗漏任何一段，不在中途收笔。用原文的语言写，不加标题、批注和说明，只输出改写后的文字。`;

const manners: Readonly<Record<RewriteMode, string>> = {
  expand: "扩写：补足动作、对话、心理、感官与环境的细节，使场面可见；细节都从原文长出来，不另起情节。",
  shorten: "缩写：删去重复、铺陈和可有可无的修饰，留住情节、关键的对话与转折。",
  polish: "润色：改正病句和用词，理顺节奏，去掉套话，让文字更准确、更有画面；好的句子不动。",
  simplify: "简化：换成短句和常用词，把绕口的地方说直白，意思不减。",
  formal: "改成正式的书面语：用词庄重、句式完整，不用口语和网络用语；人物的对话仍合乎身份。",
  casual: "改成轻松的口语：句子短，用词日常，像当面讲给人听；不低俗，不用过时的流行语。",
};

/** How long a text becomes that is rewritten in a mode, by its own length, where its author has not said how long. */
const usualRatio: Readonly<Record<RewriteMode, number>> = {
  expand: 1.5,
  shorten: 0.5,
  polish: 1,
  simplify: 1,
  formal: 1,
  casual: 1,
};

/** A text in another manner. */
export function rewriteTask({ text, mode, wish, length }: RewriteWish): GenerationRequest {
  const own = charactersIn(text);
  const usual = lengthWithin(own * usualRatio[mode]);
  const usually = usualRatio[mode] === 1 ? "篇幅与原文相近。" : lengthInWords(usual);
  const asked = wish?.trim() ? `作者没有另外说明时，${usually}` : usually;
  return {
    messages: conversation(
      `${instructions}\n${manners[mode]}`,
      { texts: { 原文: text }, wish },
      `请改写全部原文。${length === undefined ? asked : lengthInWords(length)}`,
    ),
    // What is to become shorter may stay as it is all the same.
    suggested: samplingFor(length ?? Math.max(own, usual), 0.6),
  };
}
