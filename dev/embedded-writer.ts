import type { Asked } from "./embedded-material.ts";
import { writeStructure } from "./embedded-structure.ts";

/** A writer without a model: deterministic text that continues a prompt in its language, and structures by their schema. */

const chineseSentences = [
  "夜色渐深，檐角的风铃轻轻作响。",
  "他停下脚步，望向远处隐约的灯火。",
  "“你终于来了。”那人低声说道。",
  "雨丝落在青石板上，溅起细碎的光。",
  "她握紧手中的信，心里却异常平静。",
  "山道尽头，一片青色的羽毛缓缓飘落。",
  "没有人记得这座城从何时起沉默。",
  "酒已凉透，故事却才刚刚开始。",
  "他忽然明白，真正的答案一直在身边。",
  "天边泛起微光，新的一天就要到来。",
];
const englishSentences = [
  "The lamps along the river burned low. ",
  "She folded the letter and said nothing. ",
  "Somewhere behind them a door closed softly. ",
  '"You are late," said the old man, without turning round. ',
  "Rain had begun to fall on the empty square. ",
  "He remembered the road, but not why he had taken it. ",
  "A single blue feather lay on the sill. ",
  "Nobody in the town would speak of that winter. ",
  "The answer had been in front of them all along. ",
  "By morning the snow had covered every track. ",
];

export interface WritingTask {
  /** What to continue; its language and its hash decide what is written. */
  readonly prompt: string;
  /** Upper bound in tokens; 0 for the writer's own length. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Whether the answer is a JSON object with the sentences as `text`. */
  readonly json?: boolean;
  /** What is known of the work beside its prompt; then the text that it is about is continued, not the instructions. */
  readonly asked?: Asked;
}

export interface Writing {
  /** The text in pieces of about one token each. */
  readonly pieces: readonly string[];
  readonly finishReason: "stop" | "length";
  readonly promptTokens: number;
}

const sentencesPerAnswer = 8;

/** Writes a few sentences, or as many as were asked for, or a structure. The same task always gives the same text. */
export function write({ prompt, maxTokens, stop, json = false, asked }: WritingTask): Writing {
  const pieces = tokensOf((asked?.schema && writeStructure(asked)) ?? writeText({ prompt, stop, json, asked }));
  const isCut = maxTokens > 0 && pieces.length > maxTokens;
  return {
    pieces: isCut ? pieces.slice(0, maxTokens) : pieces,
    finishReason: isCut ? "length" : "stop",
    promptTokens: tokensOf(prompt).length,
  };
}

function writeText({ prompt, stop, json, asked }: Omit<WritingTask, "maxTokens">): string {
  const { text = prompt, length } = asked ?? {};
  const written = length === undefined ? fewSentences(text) : sentencesOfLength(text, length);
  const stopAt = stop.map((word) => (word === "" ? -1 : written.indexOf(word))).filter((index) => index >= 0);
  const kept = written.slice(0, Math.min(written.length, ...stopAt)).trimEnd();
  return json ? JSON.stringify({ text: kept }) : kept;
}

function fewSentences(text: string): string {
  const sentences = isChinese(text) ? chineseSentences : englishSentences;
  const seed = fnv1a(text);
  let written = "";
  for (let turn = 0; turn < sentencesPerAnswer; turn++) {
    written += sentences[(seed + turn * 7) % sentences.length] ?? "";
  }
  return written;
}

/** Whole sentences while they fit; paragraphs have all of them, each in another order. What is then missing is filled up. */
function sentencesOfLength(text: string, length: number): string {
  const sentences = isChinese(text) ? chineseSentences : englishSentences;
  const seed = fnv1a(text);
  let written = "";
  for (let turn = 0; ; turn++) {
    const round = Math.floor(turn / sentences.length);
    const step = orders[round % orders.length] ?? 1;
    const next = sentences[(seed + round + turn * step) % sentences.length] ?? "";
    const between = turn > 0 && turn % sentences.length === 0 ? "\n" : "";
    if (written.length + between.length + next.length > length) {
      const isShort = length - written.length > length * 0.1;
      const end = isChinese(text) ? "。" : ".";
      const begun = next.slice(0, Math.max(0, length - written.length - between.length - end.length));
      return isShort ? written + between + begun.replace(/[，。“”,." ]+$/, "") + end : written;
    }
    written += between + next;
  }
}
/** Steps by which every sentence comes once. */
const orders = [7, 3, 9, 1];

/** Whether a text has a Chinese character: it is answered in Chinese then. */
export function isChinese(text: string): boolean {
  return /\p{Script=Han}/u.test(text);
}

/** Cuts a text into pieces of about a token: two Han characters or one word. */
export function tokensOf(text: string): string[] {
  return text.match(/\p{Script=Han}{1,2}|[^\p{Script=Han}\s]+\s*|\s+/gu) ?? [];
}

/** A unit vector in which texts that share pairs of characters are neighbours. */
export function embed(text: string, dimension: number): number[] {
  const vector = new Array<number>(dimension).fill(0);
  const characters = [...text.toLowerCase()];
  for (let index = 0; index < characters.length; index++) {
    const hash = fnv1a(characters.slice(index, index + 2).join(""));
    const at = hash % dimension;
    vector[at] = (vector[at] ?? 0) + (hash & 0x10000 ? 1 : -1);
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

/** FNV-1a, 32 bits. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
